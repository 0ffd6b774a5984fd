"""A lab's own model, from the very text of docs/adding_a_model.md: installed, read, trained, refused."""

# Whole texts, as a user sees them, stand in one line.
# ruff: noqa: E501

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ablab.errors import InputError, SpecError
from ablab.models.build import build_model
from ablab.spec import plugins
from ablab.spec.experiment import Experiment, Improvements
from ablab.spec.identity import flatten
from ablab.spec.load import load_experiment, load_grid, with_values
from ablab.spec.model import RECORDED
from ablab.spec.writing import resolved_yaml
from ablab.tracking import provenance
from documented_plugin import documented, write_package

Install = Callable[..., Path]


def forget() -> None:
    plugins._loaded.clear()
    plugins._entries.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab_models"]:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(version="1.1", **{"old": "new"})``: the package on the import path; its folder."""

    def installed(**changes: str) -> Path:
        folder = tmp_path / f"site{len(list(tmp_path.glob('site*')))}"
        write_package(folder, **changes)
        monkeypatch.syspath_prepend(folder)
        forget()
        return folder

    forget()
    yield installed
    monkeypatch.undo()
    forget()


def spec(folder: Path, text: str, name: str = "a.yaml") -> Path:
    (folder / name).write_text(f"name: a\n{text}" if "kind: grid" not in text else text)
    return folder / name


def test_the_documented_package_is_thirty_lines() -> None:
    lines = "".join(documented(f"lab_models/{name}.py") for name in ("__init__", "decoder")).splitlines()
    assert len([line for line in lines if line]) <= 30


def test_its_keys_are_keys_of_the_spec(install: Install, tmp_path: Path) -> None:
    install()
    loaded = load_experiment(spec(tmp_path, "model: {kind: tiny, width: 4}\n")).experiment
    assert {key: value for key, value in flatten(loaded).items() if key.startswith("model.")} == {
        "model.kind": "tiny",
        "model.width": 4,
        "model.depth": 1,
    }
    assert with_values(loaded, {"model.depth": 3}).model.depth == 3
    again = load_experiment(
        spec(tmp_path, resolved_yaml(loaded).replace("name: a\n", ""), "b.yaml")
    ).experiment
    assert again == loaded
    assert Experiment.model_validate_json(loaded.model_dump_json()) == loaded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: {kind: tiny, widht: 4}", "2: model.widht: unknown key (did you mean 'width'?)"),
        ("model: {kind: tiny, width: big}", "2: model.width: must be a whole number, not the string 'big'"),
        ("model: {kind: tiny, d_model: 4}", "2: model.d_model: is a key of model.kind 'conformer', but model.kind is 'tiny'"),
        ("model: {kind: tinny}", "2: model.kind: must be 'conformer' or 'tiny', not the string 'tinny' (did you mean 'tiny'?)"),
        (
            "model: {kind: recurrent}",
            "2: model.kind: must be 'conformer' or 'tiny', not the string 'recurrent'; is the package that offers it installed?",
        ),
        ("model: {kind: os.path}", "2: model.kind: must be 'conformer' or 'tiny', not the string 'os.path'; is the package that offers it installed?"),
        (
            "model: {kind: tiny}\nimprovements: {mlp_head: true}",
            "3: improvements.mlp_head: unknown to the model kind 'tiny' (it builds no improvement)",
        ),
    ],
)  # fmt: skip
def test_faults_are_located(install: Install, tmp_path: Path, text: str, expected: str) -> None:
    install()
    file = spec(tmp_path, f"{text}\n")
    with pytest.raises(SpecError) as raised:
        load_experiment(file)
    assert [str(problem) for problem in raised.value.problems] == [f"{file}:{expected}"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"class Params(": "class Values("},
            "must have Params, a subclass of ModelParams, and a function build",
        ),
        (
            {'["tiny"] = "tiny"': '["other"] = "other"'},
            "the default of Params.kind must be 'tiny', not 'other'",
        ),
        ({"from typing": "import not_there\nfrom typing"}, "cannot be imported"),
    ],
)
def test_a_broken_package_is_told_where_its_kind_is_named(
    install: Install, tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    install(**changes)
    assert load_experiment(spec(tmp_path, "model: {kind: conformer}\n")).experiment
    with pytest.raises(SpecError, match=r"model.kind: the plug-in 'tiny' ") as raised:
        load_experiment(spec(tmp_path, "model: {kind: tiny}\n"))
    assert expected in str(raised.value)
    assert "lab_models of lab-models 1.0" in str(raised.value)


def test_two_packages_of_one_kind_are_refused(install: Install, tmp_path: Path) -> None:
    folder = install()
    other = folder / "other_models-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other-models\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[ablab.models]\ntiny = os\n")
    forget()
    with pytest.raises(
        SpecError, match=r"several packages .lab-models, other-models.; uninstall all but one"
    ):
        load_experiment(spec(tmp_path, "model: {kind: tiny}\n"))


def test_its_keys_and_its_kind_are_factors(install: Install, tmp_path: Path) -> None:
    from ablab.designs.expand import cells

    install()
    spec(tmp_path, "dataset: {kind: simulated}\n")
    head = "kind: grid\nname: g\nbase: a.yaml\n"
    loaded = load_grid(spec(tmp_path, head + "factors: {model.kind: [conformer, tiny]}\n", "g.yaml"))
    assert [cell.id for cell in cells(loaded.grid, loaded.bases)] == ["kind=conformer", "kind=tiny"]
    factors = "factors: {model.width: [4, 8], model.depth: [1, 2]}\n"
    loaded = load_grid(spec(tmp_path, head + factors, "g.yaml"), ["model.kind=tiny"])
    assert len(cells(loaded.grid, loaded.bases)) == 4
    with pytest.raises(SpecError, match=r"factors.model.width: must be a whole number, not 0.5"):
        load_grid(spec(tmp_path, head + "factors: {model.width: [4, 0.5]}\n", "g.yaml"), ["model.kind=tiny"])
    crossed = head + "factors: {model.kind: [conformer, tiny], improvements.residual: [none, gated]}\n"
    loaded = load_grid(spec(tmp_path, crossed, "g.yaml"))
    with pytest.raises(
        SpecError, match=r"improvements.residual: unknown to the model kind 'tiny'.*in cell kind=tiny"
    ):
        cells(loaded.grid, loaded.bases)


def test_reading_a_spec_imports_neither_torch_nor_an_unnamed_plugin(install: Install, tmp_path: Path) -> None:
    folder = install()
    for kind, is_loaded in (("tiny", True), ("conformer", False)):
        file = spec(tmp_path, f"model: {{kind: {kind}}}\n")
        code = (
            f"import sys; sys.path.insert(0, {str(folder)!r})\n"
            "from pathlib import Path; from ablab.spec.load import load_experiment\n"
            f"load_experiment(Path({str(file)!r}))\n"
            "print('torch' in sys.modules, 'lab_models' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False", str(is_loaded)]


def test_the_decoder_is_built_and_its_groups_are_read_off_the_module(install: Install) -> None:
    install()
    params = plugins.load("tiny").params(width=4, depth=2)
    decoder = build_model(params, Improvements(), n_chans=3, n_subjects=2)
    assert list(decoder.layer_groups()) == ["front_end", "layer_stack.0", "layer_stack.1", "head"]
    assert decoder.front_group() == "layer_stack.0"
    assert decoder.head_group() == "head"
    assert decoder(torch.zeros(2, 9, 3), torch.zeros(2, dtype=torch.int64)).shape == (2, 9, 1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"return Tiny(params, n_chans)": "return object()"}, "built a object, which is no"),
        (
            {
                "    def forward": "    def layer_groups(self):\n        return {'head': ('head.bias',)}\n\n    def forward"
            },
            "do not hold every parameter once: front_end.bias, front_end.weight, head.weight",
        ),
        (
            {"    def forward": "    def front_group(self):\n        return 'ears'\n\n    def forward"},
            "names layer groups that there are not: ears",
        ),
    ],
)
def test_a_decoder_that_the_other_rooms_cannot_use_is_refused(
    install: Install, changes: dict[str, str], expected: str
) -> None:
    install(**changes)
    with pytest.raises(InputError, match=r"model.kind: the plug-in 'tiny' \(lab-models 1.0\)") as raised:
        build_model(plugins.load("tiny").params(), Improvements(), 3, 2)
    assert expected in str(raised.value)


def test_the_packages_version_is_part_of_the_fingerprint_of_its_own_runs_only(
    install: Install, tmp_path: Path
) -> None:
    install(version="1.0")
    plain = Experiment(name="a")
    own = load_experiment(spec(tmp_path, "model: {kind: tiny}\n")).experiment
    assert provenance.run_fingerprint(plain) == provenance.code_fingerprint()
    assert provenance.run_fingerprint(own) == f"{provenance.code_fingerprint()}+lab-models 1.0"
    install(version="1.1")
    assert provenance.run_fingerprint(own) == f"{provenance.code_fingerprint()}+lab-models 1.1"


def test_a_record_is_read_without_the_package(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install()
    experiment = load_experiment(spec(tmp_path, "model: {kind: tiny, width: 4}\n")).experiment
    text = experiment.model_dump_json()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(folder)])
    forget()
    with pytest.raises(ValueError, match="conformer"):
        Experiment.model_validate_json(text)
    assert flatten(Experiment.model_validate_json(text, context=RECORDED)) == flatten(experiment)
    assert json.loads(Experiment.model_validate_json(text, context=RECORDED).model_dump_json()) == json.loads(
        text
    )
