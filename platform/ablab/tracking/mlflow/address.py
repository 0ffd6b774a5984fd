"""Where MLflow's tracking store is: what an address means, how it is shown, whether a server answers.

Knows URIs and the mount table; imports neither MLflow nor SQLAlchemy.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ablab.errors import StoreError
from ablab.tracking.file_systems import mount_of

PROBE_SECONDS = 5.0
"""How long a server may take to say that it is there before a command gives up."""

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")


def is_server(uri: str) -> bool:
    """Whether the address is a tracking server's, as opposed to a database's."""
    return urlsplit(uri).scheme in ("http", "https")


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite address, else None.

    >>> sqlite_file("sqlite:////srv/mlruns/mlflow.db").as_posix(), sqlite_file("http://localhost:5000")
    ('/srv/mlruns/mlflow.db', None)
    """
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def shown(uri: str) -> str:
    """The address for people: a SQLite file relative to the working directory, never a password.

    >>> shown("postgresql://team:secret@db.example.org/mlflow")
    'postgresql://db.example.org/mlflow'
    """
    file = sqlite_file(uri)
    if file is not None:
        return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
    return without_password(uri)


def lasting(uri: str, own: Path) -> str:
    """The address as it can be kept in a file: no password, and empty for ``own``, which may move.

    >>> lasting("sqlite:////srv/mlflow.db", Path("/srv/mlflow.db")), lasting("http://a:b@c:5000/", Path("x"))
    ('', 'http://c:5000')
    """
    file = sqlite_file(uri)
    if file is not None:
        return "" if file.absolute() == own.absolute() else f"sqlite:///{file.absolute()}"
    return without_password(uri).rstrip("/")


def without_password(text: str) -> str:
    """``text`` with the user and password of every address in it left out."""
    return _PASSWORD.sub("", text)


def check(uri: str) -> None:
    """Raise StoreError for an address that cannot be used, and for SQLite on a network file system."""
    scheme = urlsplit(uri).scheme.split("+")[0]
    if not is_server(uri) and scheme not in _DATABASES:
        raise StoreError(
            f"{shown(uri)}: MLFLOW_TRACKING_URI is neither a server (http://, https://) nor a database "
            f"({', '.join(f'{name}://' for name in _DATABASES)}); mend or unset it"
        )
    file = sqlite_file(uri)
    mount = None if file is None else mount_of(file)
    if mount is not None and mount.is_network:
        raise StoreError(
            f"{shown(uri)} lies on a network file system ({mount.kind}, mounted at {mount.point}), where "
            "SQLite loses data as soon as two machines write.\n"
            "Keep it on a local disk: ABLAB_HOME=/a/local/folder. Or run a tracking server on the machine "
            "that has the disk, and have all others use it: MLFLOW_TRACKING_URI=http://that-machine:5000"
        )


def probe(uri: str) -> None:
    """Raise StoreError within seconds where ``uri`` cannot be used or is a server that does not answer.

    Any answer below 500 will do: a proxy may hide the health page, and refusals are reported by what
    is asked later.
    """
    check(uri)
    if not is_server(uri):
        return
    parts = urlsplit(uri)
    bare = urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/") + "/health", "", "")
    )
    try:
        with urllib.request.urlopen(bare, timeout=PROBE_SECONDS):
            return
    except urllib.error.HTTPError as error:
        with error:
            if error.code < 500:
                return
            reason = f"it answers {error.code} {error.reason}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        if "CERTIFICATE" in str(cause):
            # The client has settings of its own for certificates; what matters here is that it is there.
            return
        reason = str(cause)
    raise StoreError(
        f"{shown(uri)}: the tracking server does not answer ({reason}); "
        "start it, or mend or unset MLFLOW_TRACKING_URI"
    )
