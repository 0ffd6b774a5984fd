"""The guide's checklist, line by line, and the order of layer groups."""

from __future__ import annotations

from dataclasses import replace

from tests.comparison.study import run

from ablab.comparison.guide import Check, checklist, measures
from ablab.comparison.run_diagnosis import diagnose, groups_in
from ablab.spec.experiment import Experiment, Improvements
from ablab.spec.load import with_values

METRICS = {
    "gradient/guide_ratio": 0.12,
    "weights/front_change": 0.005,
    "validation/pearson": 0.2,
    "test/pearson": 0.18,
    "test/chance_p95": 0.02,
    "best_epoch": 4.0,
}
CURVES = {
    "validation/pearson": ((10, 0.1), (20, 0.2), (30, 0.15)),
    "gradient/norm": ((10, 2.0), (20, 12.0)),
    "weights/front_change": ((1, 0.001), (30, 0.005)),
}
V2 = Experiment(name="v2", improvements=Improvements(residual="gated", mlp_head=True, gradient_scale=2.0))


def by_line(checks: tuple[Check, ...]) -> dict[str, tuple[str, str]]:
    return {check.line: (check.answer, check.number) for check in checks}


def test_every_line_has_an_answer_and_its_number() -> None:
    found = by_line(checklist(METRICS, CURVES, V2))
    assert found == {
        "gradient of the front is above 0.1 of the head's": ("yes", "0.12"),
        "weights of the front changed by more than 0.01": ("no", "0.005"),
        "validation r is above 0.3": ("no", "0.2"),
        "validation r was still rising at the end": ("no", "0.2000 -> 0.1500"),
        "gradient norm stayed between 1 and 10": ("no", "2 to 12, epoch means"),
        "weights of the front kept moving": ("yes", "drift 0.001 -> 0.005"),
        "test r is above chance (95th percentile)": ("yes", "0.1800 against 0.0200"),
        "v2 is the model in use: residual, MLP head and gradient scale on": (
            "yes",
            "residual gated, MLP head, scale 2",
        ),
        "the checkpoint was chosen by validation r": ("yes", "epoch 4"),
        "different gradient scales were compared": ("unknown", "no study"),
        "each improvement was tested for its own effect": ("unknown", "no study"),
    }


def test_what_was_not_measured_is_unknown() -> None:
    found = by_line(checklist({}, {}, None))
    assert {answer for answer, _ in found.values()} == {"unknown"}
    assert {measure.value for measure in measures({})} == {None}


def test_a_study_says_which_improvement_was_tested_alone() -> None:
    base = Experiment(name="a")
    values = ({}, {"improvements.gradient_scale": 2.0}, {"improvements.mlp_head": True})
    study = [
        replace(run(f"cell {index}", 0), experiment=with_values(base, each))  # type: ignore[arg-type]
        for index, each in enumerate(values)
    ]
    found = by_line(checklist(METRICS, CURVES, V2, study))
    assert found["different gradient scales were compared"] == ("yes", "1, 2")
    own = "each improvement was tested for its own effect"
    assert found[own] == ("no", "2 of 3: mlp_head, gradient_scale")
    more = replace(run("cell 3", 0), experiment=with_values(base, {"improvements.residual": "gated"}))
    assert by_line(checklist(METRICS, CURVES, V2, [*study, more]))[own][0] == "yes"
    failed = replace(more, status="failed")
    assert by_line(checklist(METRICS, CURVES, V2, [*study, failed]))[own][0] == "no"


def test_rows_are_per_layer_group_front_to_rear() -> None:
    metrics = {
        **METRICS,
        "weights/drift/head": 0.4,
        "weights/drift/layer_stack.0": 0.2,
        "gradient/rms/layer_stack.0": 0.01,
        "gradient/ratio_mean/layer_stack.0": 0.03,
        "update_ratio_mean/layer_stack.0": 0.001,
        "bypass/layer_stack.0": 0.05,
        "bypass/layer_stack": 0.06,
    }
    found = diagnose("cell", "run", metrics, curves=CURVES)
    assert [row.group for row in found.rows] == ["layer_stack.0", "head"]
    first = found.rows[0]
    assert (first.gradient_rms, first.gradient_ratio, first.update_ratio) == (0.01, 0.03, 0.001)
    assert (first.drift, first.path_efficiency, first.bypass) == (0.2, None, 0.05)
    assert found.details == {"bypass/layer_stack": 0.06}


def test_groups_of_a_plugin_stand_between_stack_and_head() -> None:
    names = [f"weights/drift/{group}" for group in ("head", "mixer", "layer_stack.2", "front_end")]
    assert groups_in(names) == ["front_end", "layer_stack.2", "mixer", "head"]
