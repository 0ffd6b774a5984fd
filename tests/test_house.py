"""The house as a whole: what lies where, what is locked, and that the two entry points call each other."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def test_platform_holds_the_package_and_nothing_else(root: Path) -> None:
    # platform/__init__.py would shadow the standard library's platform module for everything run from here.
    assert [entry.name for entry in (root / "platform").iterdir() if entry.name != "__pycache__"] == ["ablab"]


def test_standard_library_platform_is_importable_from_the_root(root: Path) -> None:
    code = "import uuid, platform; print(platform.__file__); platform.machine()"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).name == "platform.py"


def test_mlruns_holds_readme_and_gitignore_only(root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "mlruns"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    assert listed == ["mlruns/.gitignore", "mlruns/README.md"]


def _requirements(text: str) -> set[str]:
    names = re.findall(r"^\s*([A-Za-z0-9_.-]+)", text, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def test_every_requirement_is_pinned_in_the_lock(root: Path) -> None:
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    wanted = _requirements(config["options"]["install_requires"])
    for extra in config["options.extras_require"].values():
        wanted |= _requirements(extra)
    lines = [
        line for line in (root / "requirements.lock").read_text().splitlines() if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line) for line in lines)
    assert wanted <= _requirements("\n".join(lines))


def test_extras_are_declared(root: Path) -> None:
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    assert set(config["options.extras_require"]) == {"ray", "slurm", "postgres", "server", "dev"}


def test_an_installed_package_holds_the_report_templates(root: Path, tmp_path: Path) -> None:
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(root / "platform", source / "platform", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=source, capture_output=True, check=True, timeout=120
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = set(zipfile.ZipFile(wheel).namelist())
    folder = root / "platform" / "ablab" / "reporting" / "study" / "templates"
    templates = {f"ablab/reporting/study/templates/{file.name}" for file in folder.iterdir()}
    assert len(templates) == 3
    assert templates | {"ablab/py.typed"} <= installed


def test_ci_runs_make_test(root: Path) -> None:
    assert (root / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_the_tests_of_a_file_run_in_one_process_and_files_in_several(root: Path) -> None:
    files = ["tests/spec/test_cron.py", "tests/spec/test_expression.py", "tests/spec/test_schema.py"]
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "no:cacheprovider", *files]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    ran = re.findall(r"\[(gw\d)\].* PASSED (tests/spec/\w+\.py)::", done.stdout)
    assert len(ran) > 20
    assert sorted(file for _, file in set(ran)) == files
    assert len({process for process, _ in ran}) == 2


def test_every_module_opens_with_what_it_is_for(root: Path) -> None:
    bare = [
        path.relative_to(root).as_posix()
        for path in sorted((root / "platform").rglob("*.py"))
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert bare == []


def test_links_in_the_documents_lead_somewhere(root: Path) -> None:
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "benchmarks").rglob("*.md")]
    links = [
        (page, target, anchor)
        for page in pages
        for target, anchor in re.findall(
            r"\]\(([^)#\s]*)(?:#([^)]*))?\)", _without_code(page.read_text(encoding="utf-8"))
        )
        if "://" not in target
    ]
    assert len(links) > 60
    dead = []
    for page, target, anchor in links:
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            dead.append(f"{page.relative_to(root)}: {target}{'#' if anchor else ''}{anchor}")
    assert dead == []


def test_every_page_of_the_documents_is_linked_from_the_readme(root: Path) -> None:
    linked = set(re.findall(r"\]\((docs/[\w.]+\.md)", (root / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in (root / "docs").glob("*.md")} - linked == set()


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them: lower case, punctuation gone, spaces as hyphens."""
    headings = re.findall(r"^#+ +(.*)$", _without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.strip().lower()).replace(" ", "-") for each in headings}


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
