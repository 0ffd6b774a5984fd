"""The MLflow service as the compose file starts it: accounts, hosts, two people, a restart of PostgreSQL."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping

import pytest
from tests.docs.pages import documented
from tests.stack.compose import SECRETS
from tests.stack.conftest import Stack

ADMIN = ("admin", SECRETS["MLFLOW_ADMIN_PASSWORD"])
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=10"


def ask(
    stack: Stack,
    path: str,
    account: tuple[str, str] | None = None,
    body: Mapping[str, object] | None = None,
    host: str | None = None,
) -> tuple[int, str]:
    """Status and text of one request."""
    request = urllib.request.Request(stack.address + path)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if account is not None:
        request.add_header("Authorization", "Basic " + b64encode(":".join(account).encode()).decode())
    if host is not None:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


@pytest.mark.parametrize("account", [None, ("admin", "wrong"), ("nobody", "x"), ("admin", "")])
@pytest.mark.parametrize(
    "path",
    [
        SEARCH,
        "/api/2.0/mlflow/users/get?username=admin",
        "/api/2.0/mlflow-artifacts/artifacts?path=",
        "/ajax-api/2.0/mlflow/experiments/search?max_results=1",
        "/get-artifact?path=x&run_uuid=x",
        "/graphql",
    ],
)
def test_without_an_account_nothing_is_answered(stack: Stack, account, path: str) -> None:
    assert ask(stack, path, account)[0] == 401


def test_an_account_is_answered(stack: Stack) -> None:
    status, text = ask(stack, SEARCH, ADMIN)
    assert status == 200, text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "localhost.evil.example"])
def test_a_foreign_host_name_is_refused_even_with_an_account(stack: Stack, host: str) -> None:
    assert ask(stack, SEARCH, ADMIN, host=host)[0] == 403


def test_only_the_administrator_makes_accounts(stack: Stack) -> None:
    create = "/api/2.0/mlflow/users/create"
    status, text = ask(stack, create, ADMIN, {"username": "ana", "password": "ana-password-1"})
    assert status == 200, text
    ana = ("ana", "ana-password-1")
    assert ask(stack, SEARCH, ana)[0] == 200
    assert ask(stack, create, ana, {"username": "eve", "password": "eve-password-1"})[0] == 403
    grab = {"username": "ana", "is_admin": True}
    request = ask(stack, "/api/2.0/mlflow/users/update-admin", ana, grab)
    assert request[0] in (403, 405)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_an_account_is_made_by_the_documented_command(stack: Stack) -> None:
    command = documented("curl --user admin").replace("http://127.0.0.1:5000", stack.address)
    words = shlex.split(command.replace('"ana"', '"dora"').replace('"..."', '"dora-password-1"'))
    # In a session of its own it has no terminal, and reads the administrator's password from here.
    done = subprocess.run(
        words, input=f"{ADMIN[1]}\n", capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert json.loads(done.stdout)["user"]["username"] == "dora", done.stderr
    assert ask(stack, SEARCH, ("dora", "dora-password-1"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow-artifacts/artifacts/../../../../../../etc/passwd",
        "/api/2.0/mlflow-artifacts/artifacts/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/api/2.0/mlflow-artifacts/artifacts/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/api/2.0/mlflow-artifacts/artifacts//etc/passwd",
        "/api/2.0/mlflow-artifacts/artifacts?path=../../../../../etc",
        "/get-artifact?run_uuid=..%2f..%2f..&path=etc%2fpasswd",
        "/get-artifact?run_uuid={run}&path=..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/api/2.0/mlflow/artifacts/list?run_id={run}&path=..%2f..%2f..",
    ],
)
def test_a_path_that_leaves_the_artifacts_is_refused_even_with_an_account(stack: Stack, path: str) -> None:
    run = json.loads(ask(stack, "/api/2.0/mlflow/runs/create", ADMIN, {"experiment_id": "0", "tags": []})[1])[
        "run"
    ]["info"]["run_id"]
    status, text = ask(stack, path.replace("{run}", run), ADMIN)
    assert status >= 400, text[:300]
    assert "root:" not in text and "passwd" not in text.replace("etc/passwd", "")
