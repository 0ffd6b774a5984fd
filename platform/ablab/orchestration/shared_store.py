"""Whether trials on other machines can write to the tracking store that is in use."""

from __future__ import annotations

from ablab.errors import InputError
from ablab.tracking.mlflow.address import is_server, shown, sqlite_file


def refuse_unshared(launcher: str, store_uri: str | None, *, databases: bool) -> None:
    """Raise InputError unless the store is a server or, where ``databases``, a database that is one.

    A SQLite file is locked by its file system, and over a network those locks do not hold: several machines
    that write to it damage it. On a machine's own disk the others would not see it at all.
    """
    if store_uri is not None and (is_server(store_uri) or (databases and sqlite_file(store_uri) is None)):
        return
    what = "a SQLite file under the state root" if store_uri is None else shown(store_uri)
    also = " or a PostgreSQL database" if databases else ""
    raise InputError(
        f"--launcher {launcher}: trials on other machines record to the tracking store themselves, and it is "
        f"{what}, which several machines cannot write to safely. Start a server that they can reach "
        f"('mlflow server --host 0.0.0.0 ...', docs/launchers.md) and set MLFLOW_TRACKING_URI=http://HOST:PORT"
        f"{also}"
    )
