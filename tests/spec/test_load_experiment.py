"""Loading experiments: inheritance, kinds, overrides, and every fault at its place in one pass."""

# The tables below hold one fault with its whole text per line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ablab.errors import SpecError
from ablab.spec.experiment import CosineSchedule, Experiment, HuberPearson, Simulated, SplitFolder
from ablab.spec.load import load_experiment, with_values

Write = Callable[[str, str], Path]


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_experiment(path, overrides)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


UNKNOWN_TOP = "name, notes, dataset, model, improvements, training, evaluation, diagnostics"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nmae: a\n", "a.yaml:2: nmae: unknown key (did you mean 'name'?)"),
        ("zzz: 1\n", f"a.yaml:2: zzz: unknown key (known here: {UNKNOWN_TOP})"),
        ("model:\n  d_modle: 8\n", "a.yaml:3: model.d_modle: unknown key (did you mean 'd_model'?)"),
        ("training:\n  loss:\n    wieght: 1.0\n", "a.yaml:4: training.loss.wieght: unknown key (did you mean 'weight'?)"),
        ("gradient_scale: 2.0\n", "a.yaml:2: gradient_scale: unknown key (did you mean 'improvements.gradient_scale'?)"),
        ("training.epochs: 3\n", "a.yaml:2: training.epochs: unknown key (nest it: training: {epochs: ...})"),
        ("model: {n_head: 2}\n", "a.yaml:2: model.n_head: unknown key (did you mean 'n_heads'?)"),
        ("improvements: {gradient_scale: true}\n", "a.yaml:2: improvements.gradient_scale: must be a number, not the boolean true"),
        ("training: {epochs: true}\n", "a.yaml:2: training.epochs: must be a whole number, not the boolean true"),
        (
            "improvements:\n  mlp_head: \"False\"\n",
            "a.yaml:3: improvements.mlp_head: must be a boolean (true or false), not the string 'False'; "
            "write it without the quotes",
        ),
        ("improvements: {mlp_head: yes}\n", "a.yaml:2: improvements.mlp_head: must be a boolean (true or false), not the string 'yes'"),
        ("improvements: {mlp_head: 1}\n", "a.yaml:2: improvements.mlp_head: must be a boolean (true or false), not 1"),
        (
            "improvements: {residual: gatd}\n",
            "a.yaml:2: improvements.residual: must be 'none', 'global' or 'gated', not the string 'gatd' "
            "(did you mean 'gated'?)",
        ),
        ("improvements: {residual: null}\n", "a.yaml:2: improvements.residual: must be 'none', 'global' or 'gated', not null"),
        ("improvements: {gradient_scale: 0}\n", "a.yaml:2: improvements.gradient_scale: must be greater than 0, not 0"),
        ("improvements: {gradient_scale: -1}\n", "a.yaml:2: improvements.gradient_scale: must be greater than 0, not -1"),
        ("training: {learning_rate: .nan}\n", "a.yaml:2: training.learning_rate: must be a finite number, not nan"),
        ("training: {learning_rate: .inf}\n", "a.yaml:2: training.learning_rate: must be a finite number, not inf"),
        ("training: {learning_rate: 0}\n", "a.yaml:2: training.learning_rate: must be greater than 0, not 0"),
        (
            "training: {learning_rate: '1e-3'}\n",
            "a.yaml:2: training.learning_rate: must be a number, not the string '1e-3'; write it without the quotes",
        ),
        ("training: {evaluate_every: 0}\n", "a.yaml:2: training.evaluate_every: must be at least 1, not 0"),
        ("training: {batch_size: 2.5}\n", "a.yaml:2: training.batch_size: must be a whole number, not 2.5"),
        ("training: {betas: [0.9]}\n", "a.yaml:2: training.betas: must have 2 values, not 1"),
        ("training: {betas: []}\n", "a.yaml:2: training.betas: must have 2 values, not 0"),
        ("training: {betas: [0.9, 0.9, 0.9]}\n", "a.yaml:2: training.betas: must have 2 values, not 3"),
        ("training:\n  betas:\n    - 0.9\n    - 1.0\n", "a.yaml:5: training.betas[1]: must be less than 1, not 1.0"),
        ("training: {betas: 0.9}\n", "a.yaml:2: training.betas: must be a list, not 0.9"),
        ("training: {clip_norm: none}\n", "a.yaml:2: training.clip_norm: must be a number, not the string 'none'"),
        (
            "training: {schedule: {kind: cosin}}\n",
            "a.yaml:2: training.schedule.kind: must be 'step', 'cosine' or 'constant', not the string 'cosin' "
            "(did you mean 'cosine'?)",
        ),
        ("training: {schedule: step}\n", "a.yaml:2: training.schedule: must be a mapping (keys with values), not the string 'step'"),
        (
            "training: {schedule: {final_fraction: 0.1}}\n",
            "a.yaml:2: training.schedule.final_fraction: is a key of training.schedule.kind 'cosine', "
            "but training.schedule.kind is 'step'",
        ),
        ("model: {drop_prob: 1}\n", "a.yaml:2: model.drop_prob: must be less than 1, not 1"),
        ("model: {drop_prob: -0.1}\n", "a.yaml:2: model.drop_prob: must be at least 0, not -0.1"),
        ("model:\n  n_heads: 4\n  d_model: 6\n", "a.yaml:4: model.d_model: 6 is not divisible by n_heads 4"),
        ("model:\n  n_heads: 3\n", "a.yaml:2: model.d_model: 256 is not divisible by n_heads 3"),
        ("model: {conv_kernel_size: 8}\n", "a.yaml:2: model.conv_kernel_size: 8 is even; same padding needs an odd one"),
        ("model: [1, 2]\n", "a.yaml:2: model: must be a mapping (keys with values), not a list"),
        ("model:\n", "a.yaml:2: model: must be a mapping (keys with values), not null"),
        ("model: {kind: transformer}\n", "a.yaml:2: model.kind: must be 'conformer', not the string 'transformer' (did you mean 'conformer'?)"),
        ("dataset: {subjects: [S1, S1]}\n", "a.yaml:2: dataset.subjects: names a subject twice"),
        ("evaluation: {protocols: [match_mismatch, match_mismatch]}\n", "a.yaml:2: evaluation.protocols: names one twice"),
        ("evaluation: {protocols: [mismatch]}\n", "a.yaml:2: evaluation.protocols[0]: must be 'challenge_regression' or 'match_mismatch', not the string 'mismatch' (did you mean 'match_mismatch'?)"),
        ("dataset: {subjects: []}\n", "a.yaml:2: dataset.subjects: must not be empty"),
        ("dataset: {path: ''}\n", "a.yaml:2: dataset.path: must not be empty"),
        ("dataset: {train_fraction: 1.5}\n", "a.yaml:2: dataset.train_fraction: must be at most 1, not 1.5"),
        ("dataset: {kind: true}\n", "a.yaml:2: dataset.kind: must be 'split_folder' or 'simulated', not the boolean true"),
        ("evaluation:\n  segment_seconds: 3\n  segment_seconds: 4\n", "a.yaml:4: evaluation.segment_seconds: duplicate key (first in line 3)"),
        ("training:\n  epochs: !!int 3\n", "a.yaml:3: training.epochs: YAML tag '!!int' is refused: a spec is plain data; write the value without the tag"),
        ("extends: 3\n", "a.yaml:2: extends: must be the path of an experiment file, relative to this file"),
        ("extends: b.yaml\n", "a.yaml:2: extends: no such file: b.yaml (did you mean 'a.yaml'?)"),
        ("extends: a.yaml\n", "a.yaml:2: extends: circular: a.yaml -> a.yaml"),
        ("kind: grid\n", "a.yaml:2: is a grid, not an experiment; give a file such as those in experiments/"),
    ],
)  # fmt: skip
def test_a_fault_names_file_line_key_and_reason(write: Write, text: str, expected: str) -> None:
    assert problems(write("a.yaml", f"name: a\n{text}")) == [expected]


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "-x", '""', "x" * 129, "'a b'"])
def test_a_name_that_would_leave_its_folder(write: Write, name: str) -> None:
    (problem,) = problems(write("a.yaml", f"name: {name}\n"))
    assert problem == (
        "a.yaml:1: name: must be a plain name (letters, digits, '_', '.', '-', at most 128, "
        "not starting with '.' or '-')"
    )


def test_a_list_for_the_whole_file(write: Write) -> None:
    assert problems(write("a.yaml", "- name: a\n")) == ["a.yaml:1: must be a mapping of keys to values"]


def test_a_name_is_required(write: Write) -> None:
    assert problems(write("a.yaml", "notes: x\n")) == ["a.yaml:1: name: missing; it has no default"]


def test_a_file_that_is_not_there_names_the_nearest(write: Write) -> None:
    write("experiments/v2_full.yaml", "name: v2_full\n")
    assert problems(Path("experiments/v2_ful.yaml")) == [
        "experiments/v2_ful.yaml: no such file (did you mean 'experiments/v2_full.yaml'?)"
    ]


def test_all_faults_of_a_chain_come_in_one_pass_each_in_its_own_file(write: Write) -> None:
    write("base/b.yaml", "name: b\nmodel: {d_model: 10, n_heads: 2}\ntraining:\n  epochs: 0\nbogus: 1\n")
    path = write(
        "a.yaml",
        "name: a\nextends: base/b.yaml\nmodel:\n  n_heads: 4\n  d_iner: 3\ndiagnostics: {preset: al}\n",
    )
    assert problems(path, "training.batch_size=x", "evaluation.segment_second=1") == [
        "--set: training.batch_size: must be a whole number, not the string 'x'",
        "--set: evaluation.segment_second: unknown key (did you mean 'segment_seconds'?)",
        "a.yaml:5: model.d_iner: unknown key (did you mean 'd_inner'?)",
        "a.yaml:6: diagnostics.preset: must be 'off', 'cheap' or 'full', not the string 'al'",
        "base/b.yaml:4: training.epochs: must be at least 1, not 0",
        f"base/b.yaml:5: bogus: unknown key (known here: {UNKNOWN_TOP})",
    ]


def test_with_an_unreadable_parent_only_certain_faults_are_reported(write: Write) -> None:
    path = write(
        "a.yaml", "name: a\nextends: b.yaml\ndataset: {minutes: 0}\nmodel: {n_heads: 3, d_modl: 1}\n"
    )
    assert problems(path) == [
        "a.yaml:2: extends: no such file: b.yaml (did you mean 'a.yaml'?)",
        "a.yaml:4: model.d_modl: unknown key (did you mean 'd_model'?)",
    ]


def test_a_circle_names_the_chain(write: Write) -> None:
    write("x.yaml", "name: x\nextends: sub/y.yaml\n")
    write("sub/y.yaml", "name: y\nextends: z.yaml\n")
    write("sub/z.yaml", "name: z\nextends: ../x.yaml\n")
    assert problems(Path("x.yaml")) == [
        "sub/z.yaml:2: extends: circular: x.yaml -> sub/y.yaml -> sub/z.yaml -> x.yaml"
    ]


def test_a_syntax_error_in_a_parent_is_told_where_it_is(write: Write) -> None:
    write("b.yaml", "name: b\nmodel:\n\td_model: 3\n")
    assert problems(write("a.yaml", "name: a\nextends: b.yaml\n")) == [
        "b.yaml:3: a tab stands where YAML wants spaces; indent with spaces"
    ]


def test_a_child_inherits_all_but_name_and_notes(write: Write) -> None:
    write(
        "b.yaml", "name: b\nnotes: of b\nmodel: {d_model: 32, drop_prob: 0}\ntraining: {betas: [0.8, 0.9]}\n"
    )
    loaded = load_experiment(write("a.yaml", "name: a\nextends: b.yaml\nmodel:\n  drop_prob: 0.5\n"))
    experiment = loaded.experiment
    assert (experiment.name, experiment.notes) == ("a", None)
    assert (experiment.model.d_model, experiment.model.drop_prob) == (32, 0.5)
    assert experiment.training.betas == (0.8, 0.9)
    assert loaded.origins["model.d_model"] == "b.yaml:3"
    assert loaded.origins["model.drop_prob"] == "a.yaml:4"
    assert "training.epochs" not in loaded.origins
    assert loaded.notices == ()


def test_a_child_needs_its_own_name(write: Write) -> None:
    write("b.yaml", "name: b\n")
    assert problems(write("a.yaml", "extends: b.yaml\n")) == ["a.yaml:1: name: missing; it has no default"]


def test_a_changed_kind_drops_foreign_keys_with_a_notice_and_keeps_shared_ones(write: Write) -> None:
    write("b.yaml", "name: b\ndataset: {kind: simulated, n_subjects: 3, minutes: 2, window_seconds: 4}\n")
    loaded = load_experiment(
        write("a.yaml", "name: a\nextends: b.yaml\ndataset: {kind: split_folder, path: p}\n")
    )
    assert loaded.experiment.dataset == SplitFolder(path="p", window_seconds=4)
    assert loaded.notices == (
        "dataset.kind is now 'split_folder': dropped dataset.n_subjects, dataset.minutes from b.yaml",
    )


def test_a_typo_is_never_dropped_with_the_old_kind(write: Write) -> None:
    write("b.yaml", "name: b\ndataset: {kind: simulated, n_subjets: 3}\n")
    path = write("a.yaml", "name: a\nextends: b.yaml\ndataset: {kind: split_folder}\n")
    assert problems(path) == ["b.yaml:2: dataset.n_subjets: unknown key (did you mean 'subjects'?)"]


def test_overrides_lie_over_the_file_whatever_their_order(write: Write) -> None:
    path = write("a.yaml", "name: a\ndataset: {kind: simulated, n_subjects: 3, window_seconds: 4}\n")
    overrides = ["dataset.path=p", "training.learning_rate=2e-4", "dataset.kind=split_folder"]
    loaded = load_experiment(path, overrides)
    assert loaded.experiment.dataset == SplitFolder(path="p", window_seconds=4)
    assert loaded.experiment.training.learning_rate == 2e-4
    assert loaded.origins["training.learning_rate"] == "--set"
    assert loaded.notices == ("dataset.kind is now 'split_folder': dropped dataset.n_subjects from a.yaml",)
    assert load_experiment(path, overrides[::-1]).experiment == loaded.experiment


def test_the_default_kind_can_be_left(write: Write) -> None:
    path = write("a.yaml", "name: a\ntraining: {schedule: {warmup_epochs: 2, gamma: 0.5}}\n")
    loaded = load_experiment(path, ["training.schedule.kind=cosine"])
    assert loaded.experiment.training.schedule == CosineSchedule(warmup_epochs=2)
    assert loaded.notices == (
        "training.schedule.kind is now 'cosine': dropped training.schedule.gamma from a.yaml",
    )


def test_an_override_can_be_a_whole_block(write: Write) -> None:
    path = write("a.yaml", "name: a\n")
    loaded = load_experiment(path, ["training.loss={kind: huber_pearson, beta: 0.2}"])
    assert loaded.experiment.training.loss == HuberPearson(beta=0.2)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.epochs", "--set: 'training.epochs' is not key=value; write for example --set training.epochs=20"),
        ("=3", "--set: '=3' is not key=value; write for example --set training.epochs=20"),
        ("a..b=3", "--set: 'a..b=3' is not key=value; write for example --set training.epochs=20"),
        (
            "notes='x",
            "--set: notes: is not YAML: a quote or bracket is not closed "
            "(in \"notes='x\"; quote a text that holds special characters)",
        ),
        ("grid.seeds=[0]", "--set: grid.seeds: addresses a grid, but this is an experiment"),
        ("extends=b.yaml", "--set: extends: cannot be set: it belongs to the file; give the other file instead"),
        ("training.epochs=!foo 3", "--set: training.epochs: YAML tag '!foo' is refused: a spec is plain data; write the value without the tag"),
        ("model=3", "--set: model: must be a mapping (keys with values), not 3"),
        ("dataset.n_subjects=3", "--set: dataset.n_subjects: is a key of dataset.kind 'simulated', but dataset.kind is 'split_folder'"),
    ],
)  # fmt: skip
def test_faults_of_an_override(write: Write, override: str, expected: str) -> None:
    assert problems(write("a.yaml", "name: a\n"), override) == [expected]


def test_a_key_set_twice(write: Write) -> None:
    path = write("a.yaml", "name: a\n")
    assert problems(path, "training.epochs=3", "training.epochs=4") == [
        "--set: training.epochs: is set twice"
    ]


def test_with_values_sets_dotted_keys_as_an_override_does(write: Write) -> None:
    path = write("a.yaml", "name: a\ntraining: {loss: {weight: 0.7}, schedule: {warmup_epochs: 3}}\n")
    values = {"training.loss.kind": "huber_pearson", "improvements.gradient_scale": 2, "model.d_model": 64}
    changed = with_values(load_experiment(path).experiment, values)
    assert changed == load_experiment(path, [f"{key}={value}" for key, value in values.items()]).experiment
    assert changed.training.loss == HuberPearson(weight=0.7)
    # A default that nobody wrote gives way to the new kind's own default.
    assert (
        with_values(Experiment(name="a"), {"training.loss.kind": "huber_pearson"}).training.loss
        == HuberPearson()
    )


def test_with_values_keeps_the_kind_of_hand_made_experiments() -> None:
    experiment = Experiment(name="a", dataset=Simulated(n_subjects=2))
    assert with_values(experiment, {"training.epochs": 3}).dataset == Simulated(n_subjects=2)


def test_with_values_names_its_source() -> None:
    with pytest.raises(SpecError) as caught:
        with_values(Experiment(name="a"), {"model.d_model": 6})
    assert str(caught.value) == "values: model.d_model: 6 is not divisible by n_heads 4"
