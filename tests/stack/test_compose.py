"""The compose file: its schema, and that it gives nothing away by default."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import documented
from tests.stack.compose import SECRETS, declared_port, interpolated, services


def docker_compose(
    folder: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip(
            "docker-compose is not installed (Debian: apt-get install docker-compose); needs no engine"
        )
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [program, "--file", str(folder / "docker-compose.yml"), *arguments],
        env=kept | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_compose_accepts_the_file_with_every_profile(root: Path) -> None:
    done = docker_compose(root, SECRETS, "--profile", "optuna", "--profile", "gpu", "config")
    assert done.returncode == 0, done.stderr
    assert {f"  {name}:" for name in services()} <= set(done.stdout.splitlines())


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_compose_refuses_to_start_without_a_secret(root: Path, missing: str) -> None:
    given = {name: value for name, value in SECRETS.items() if name != missing}
    done = docker_compose(root, given, "config")
    assert done.returncode != 0
    assert "set it in .env, see .env.example" in done.stderr


def test_a_copy_of_the_example_starts_once_its_secrets_are_filled_in(root: Path, tmp_path: Path) -> None:
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(root / name, tmp_path)
    subprocess.run(documented("cp .env.example").split(), cwd=tmp_path, check=True)
    refused = docker_compose(tmp_path, {}, "config")
    assert refused.returncode != 0
    assert "set it in .env, see .env.example" in refused.stderr
    file = tmp_path / ".env"
    filled = re.sub(r"^(\w+)=$", lambda line: f"{line[1]}={SECRETS[line[1]]}", file.read_text(), flags=re.M)
    file.write_text(filled)
    accepted = docker_compose(tmp_path, {}, "config")
    assert accepted.returncode == 0, accepted.stderr
    assert all(secret in accepted.stdout for secret in SECRETS.values())


def test_the_example_names_every_variable_and_holds_no_secret(root: Path) -> None:
    named = set(re.findall(r"\$\{(\w+)", (root / "docker-compose.yml").read_text()))
    lines = (root / ".env.example").read_text().splitlines()
    shown = {match[1]: match[2] for line in lines if (match := re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line))}
    assert named <= set(shown) | {"MLFLOW_PORT", "TENSORBOARD_PORT", "OPTUNA_PORT"}
    assert [shown[name] for name in SECRETS] == ["", "", ""]


def test_ports_are_published_on_loopback() -> None:
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in published)
    assert "ports" not in services()["postgres"]


def test_a_service_listens_where_it_is_checked_and_published() -> None:
    for name, service in services().items():
        if "ports" in service:
            (published,) = service["ports"]
            assert published.endswith(f":{declared_port(name)}"), name
            assert f"http://127.0.0.1:{declared_port(name)}/" in service["healthcheck"]["test"][-1], name


def test_files_that_services_read_by_default_are_in_the_repository(root: Path) -> None:
    words = [word for service in services().values() for word in service.get("command", ())]
    files = [interpolated(word, {}) for word in words if word.startswith("${")]
    assert files == ["ablations/regression_nightly.yaml", "ablations/v2_improvements.yaml"]
    assert all((root / file).is_file() for file in files)


def test_images_are_pinned_and_nothing_runs_as_root() -> None:
    for name, service in services().items():
        assert re.search(r":\d+\.\d+", service["image"]), name
        assert service["user"] in ("10001:10001", "postgres"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_services_that_others_wait_for_say_when_they_are_healthy() -> None:
    defined = services()
    awaited = {name for service in defined.values() for name in service.get("depends_on", {})}
    assert awaited == {"postgres", "mlflow"}
    assert all("healthcheck" in defined[name] for name in awaited)
    restarting = {name for name, service in defined.items() if service["restart"] == "unless-stopped"}
    assert restarting == set(defined) - {"worker"}


def test_the_image_is_built_from_the_lock_in_stages_and_pinned(root: Path) -> None:
    lines = (root / "deploy" / "Dockerfile").read_text().splitlines()
    bases = [line for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all(re.match(r"FROM python:3\.11\.\d+-slim-bookworm", line) for line in bases)
    assert "COPY requirements.lock ." in lines
    assert next(line for line in reversed(lines) if line.startswith("USER ")) == "USER 10001:10001"


def test_what_the_image_copies_is_there_and_let_in(root: Path) -> None:
    let_in = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (root / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (root / source).exists(), source
                assert Path(source).parts[0].rstrip("/") in let_in, source
