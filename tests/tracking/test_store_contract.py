"""What every store promises, held by the memory store, MLflow on SQLite and a real MLflow server."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from ablab.errors import NotFoundError
from ablab.spec.record import SubjectScore
from ablab.tracking.provenance import code_fingerprint
from ablab.tracking.store import BaselineRun, CellSummary, RunStore

Scores = tuple[SubjectScore, ...]


class TestStoreContract:
    def test_a_finished_run_is_read_back_exactly(
        self, store: RunStore, study: str, make_trial, scores: Scores, capfd
    ):
        trial = make_trial(study, seed=3)
        writer = store.open_run(trial)
        writer.metrics(10, {"train/loss": 0.9, "validation/pearson": 0.12})
        writer.metrics(20, {"train/loss": 0.8, "validation/pearson": 0.11})
        writer.finish({"test/pearson": 0.1 + 0.2, "validation/pearson": 0.12, "train/loss": 0.8}, scores)

        (record,) = store.records(study)

        assert capfd.readouterr().out == ""  # standard output belongs to the command
        assert record.run_id == writer.run_id
        assert (record.key, record.study, record.seed, record.role) == (trial.key, study, 3, "seed")
        assert (record.cell, record.label) == (trial.cell.id, trial.cell.label)
        assert record.factors == trial.cell.factors
        assert {key: type(level) for key, level in record.factors.items()} == {
            "improvements.residual": str,
            "improvements.mlp_head": bool,
            "improvements.gradient_scale": float,
        }
        assert record.experiment == trial.cell.experiment
        assert record.experiment.dataset.minutes == 0.1 + 0.2
        assert record.status == "finished"
        assert record.error is None
        assert record.subjects == scores
        # The final value is the best checkpoint's, not the last point of the curve.
        assert record.metrics == {"test/pearson": 0.1 + 0.2, "validation/pearson": 0.12, "train/loss": 0.8}
        assert (record.data_fingerprint, record.code_fingerprint) == ("d4ta", code_fingerprint())
        assert datetime.fromisoformat(record.started).utcoffset() is not None
        assert 0 <= record.seconds < 60

    def test_texts_are_kept_with_a_study(self, store: RunStore, study: str):
        assert store.study_tag(study, "claim") is None
        store.tag_study(study, "claim", None)  # nothing to remove
        store.tag_study(study, "claim", "one")
        store.tag_study(study, "claim", "two")
        store.tag_study(study, "other", "three")
        assert (store.study_tag(study, "claim"), store.study_tag(study, "other")) == ("two", "three")
        assert study not in store.studies()
        store.tag_study(study, "claim", None)
        assert (store.study_tag(study, "claim"), store.study_tag(study, "other")) == (None, "three")
        assert store.states(study) == ()

    def test_states_tell_where_a_run_stands(self, store: RunStore, study: str, make_trial, scores: Scores):
        assert store.states(study) == ()
        writers = [store.open_run(make_trial(study, seed)) for seed in range(4)]
        writers[0].finish({"test/pearson": 0.1}, scores)
        writers[1].fail("loss is NaN\nat step 3", "Traceback: ...")
        writers[2].kill("interrupted")

        states = {state.seed: state for state in store.states(study)}

        assert [states[seed].status for seed in range(4)] == ["finished", "failed", "killed", "running"]
        assert [states[seed].error for seed in range(4)] == [None, "loss is NaN", "interrupted", None]
        assert states[3].run_id == writers[3].run_id
        assert states[3].cell == make_trial(study).cell.id
        assert states[3].pid > 0 and states[3].host
        assert states[3].code_fingerprint == code_fingerprint()

    @pytest.mark.parametrize("end", ["failed", "killed", "running"])
    def test_opening_an_unfinished_key_continues_its_run(
        self, store: RunStore, study: str, make_trial, end: str
    ):
        first = store.open_run(make_trial(study))
        first.metrics(1, {"train/loss": 0.5})
        first.flush()
        if end == "failed":
            first.fail("broken", "Traceback")
        elif end == "killed":
            first.kill("interrupted")

        second = store.open_run(make_trial(study))

        assert second.run_id == first.run_id
        (state,) = store.states(study)
        assert (state.status, state.error) == ("running", None)
        second.metrics(1, {"train/loss": 99.0})  # the first value of a step stays
        second.flush()
        assert store.records(study)[0].metrics == {"train/loss": 0.5}
        second.metrics(2, {"train/loss": 0.25})
        second.finish({"test/pearson": 0.2}, ())
        (record,) = store.records(study)
        assert record.metrics == {"train/loss": 0.25, "test/pearson": 0.2}
        assert record.status == "finished"

    def test_opening_a_finished_key_supersedes_its_run(self, store: RunStore, study: str, make_trial):
        first = store.open_run(make_trial(study))
        first.finish({"test/pearson": 0.1}, ())
        second = store.open_run(make_trial(study))
        assert second.run_id != first.run_id
        assert [state.run_id for state in store.states(study)] == [second.run_id]
        second.finish({"test/pearson": 0.3}, ())
        assert [record.metrics["test/pearson"] for record in store.records(study)] == [0.3]
        assert store.find(first.run_id).status == "finished"  # nothing is deleted

    def test_curves_are_read_by_the_beginning_of_their_name(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.metrics(1, {"train/loss": 0.5, "validation/pearson": 0.1, "gradient/norm": 2.0})
        writer.finish({}, ())
        found = store.curves(writer.run_id, ("validation/", "train/"))
        assert found == {"train/loss": ((1, 0.5),), "validation/pearson": ((1, 0.1),)}

    def test_pilots_have_states_but_no_records(self, store: RunStore, study: str, make_trial):
        pilot = store.open_run(make_trial(study), "pilot")
        seed = store.open_run(make_trial(study))
        assert pilot.run_id != seed.run_id
        assert {state.role: state.run_id for state in store.states(study)} == {
            "pilot": pilot.run_id,
            "seed": seed.run_id,
        }
        assert [record.run_id for record in store.records(study)] == [seed.run_id]

    def test_runs_of_a_search_are_read_by_their_role_alone(self, store: RunStore, study: str, make_trial):
        searched = store.open_run(make_trial(study), "search")
        searched.finish({"validation/pearson": 0.1}, ())
        assert [state.role for state in store.states(study)] == ["search"]
        assert store.records(study) == ()
        (record,) = store.records(study, "search")
        assert (record.run_id, record.role) == (searched.run_id, "search")

    def test_records_of_some_cells_alone(self, store: RunStore, study: str, make_trial):
        runs = {
            residual: store.open_run(make_trial(study, residual=residual)) for residual in ("none", "gated")
        }
        for run in runs.values():
            run.finish({"test/pearson": 0.1}, ())
        wanted = make_trial(study, residual="gated").cell.id
        assert [record.run_id for record in store.records(study, cells=[wanted])] == [runs["gated"].run_id]
        assert store.records(study, cells=["residual=absent"]) == ()
        assert len(store.records(study, cells=None)) == 2

    def test_a_run_that_has_ended_takes_tags(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study), "search")
        writer.kill("interrupted")
        store.tag(writer.run_id, {"ended": "pruned at epoch 3"})
        (state,) = store.states(study)
        assert (state.status, state.error) == ("killed", "interrupted")
        with pytest.raises(NotFoundError, match="no such run"):
            store.tag("0" * 32, {"ended": "pruned"})

    def test_an_unfinished_run_has_no_subjects(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.metrics(5, {"train/loss": 1.5})
        writer.kill("interrupted")
        (record,) = store.records(study)
        assert (record.status, record.subjects) == ("killed", ())
        assert record.metrics == {"train/loss": 1.5}

    def test_values_that_are_not_finite_are_left_out(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.metrics(1, {"a": math.nan, "b": math.inf, "c": 1.0})
        writer.finish({"d": -math.inf, "e": 2.0}, ())
        assert store.records(study)[0].metrics == {"c": 1.0, "e": 2.0}

    def test_nothing_is_written_to_a_run_that_has_ended(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.finish({}, ())
        with pytest.raises(ValueError, match="has ended"):
            writer.metrics(1, {"train/loss": 1.0})

    def test_artifacts_are_kept(self, store: RunStore, study: str, make_trial, a_file: Path, tmp_path: Path):
        writer = store.open_run(make_trial(study))
        events = tmp_path / "events" / "deeper"
        events.mkdir(parents=True)
        (events / "one").write_text("1")
        writer.artifact(a_file)
        writer.artifact(a_file, "checkpoints")
        writer.artifact(tmp_path / "events", "tensorboard")
        writer.fail("broken", "Traceback: all of it")
        a_file.unlink()

        assert store.artifact(writer.run_id, "train.log").read_text() == "epoch 1\n"
        assert store.artifact(writer.run_id, "checkpoints/train.log").read_text() == "epoch 1\n"
        assert store.artifact(writer.run_id, "tensorboard/deeper/one").read_text() == "1"
        assert store.artifact(writer.run_id, "traceback.txt").read_text() == "Traceback: all of it"
        with pytest.raises(NotFoundError, match=r"no artifact 'absent.txt'; there are: .*train\.log"):
            store.artifact(writer.run_id, "absent.txt")
        with pytest.raises(NotFoundError):
            store.artifact(writer.run_id, "../../../secret")
        with pytest.raises(NotFoundError):
            store.artifact("0" * 32, "train.log")

    def test_curves_are_read_back_by_step(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.metrics(20, {"validation/pearson": 0.3, "train/loss": 0.5})
        writer.metrics(10, {"validation/pearson": 0.4})
        writer.metrics(30, {"validation/pearson": 0.35})
        writer.finish({"validation/pearson": 0.4, "best_epoch": 1.0}, ())
        assert dict(store.curves(writer.run_id)) == {
            "validation/pearson": ((10, 0.4), (20, 0.3), (30, 0.35)),  # the final value is not on the curve
            "train/loss": ((20, 0.5),),
            "best_epoch": ((30, 1.0),),
        }
        with pytest.raises(NotFoundError, match="no such run"):
            store.curves("0" * 32)

    def test_files_can_be_attached_to_a_run_that_has_ended(
        self, store: RunStore, study: str, make_trial, a_file: Path
    ):
        writer = store.open_run(make_trial(study))
        writer.finish({}, ())
        store.attach(writer.run_id, a_file, "diagnosis")
        a_file.write_text("again\n")
        store.attach(writer.run_id, a_file, "diagnosis")
        assert store.artifact(writer.run_id, "diagnosis/train.log").read_text() == "again\n"
        assert [state.status for state in store.states(study)] == ["finished"]
        with pytest.raises(NotFoundError, match="no such run"):
            store.attach("0" * 32, a_file)

    def test_one_metric_of_all_runs_is_read_at_once(self, store: RunStore, study: str, make_trial):
        writers = [store.open_run(make_trial(study, seed)) for seed in range(3)]
        for seed, writer in enumerate(writers[:2]):
            writer.metrics(20, {"validation/pearson": 0.2 + seed, "train/loss": 0.5})
            writer.metrics(10, {"validation/pearson": 0.1 + seed})
        writers[0].finish({"validation/pearson": 9.0}, ())
        writers[1].fail("loss is NaN", "Traceback: ...")
        writers[2].finish({}, ())
        assert dict(store.courses(study, "validation/pearson")) == {
            writers[0].run_id: ((10, 0.1), (20, 0.2)),
            writers[1].run_id: ((10, 1.1), (20, 1.2)),
        }
        assert dict(store.courses(study, "no/such")) == {}
        assert dict(store.courses(f"{study}x", "validation/pearson")) == {}

    def test_files_of_a_study_are_kept_once(
        self, store: RunStore, study: str, make_trial, a_file: Path, tmp_path: Path
    ):
        store.open_run(make_trial(study)).finish({"test/pearson": 0.1}, ())
        other = tmp_path / "report.md"
        other.write_text("# Report\n")
        first = store.attach_to_study(study, [a_file, other], "report")
        a_file.write_text("again\n")
        assert store.attach_to_study(study, [a_file], "report") == first
        assert store.artifact(first, "report/train.log").read_text() == "again\n"
        assert store.artifact(first, "report/report.md").read_text() == "# Report\n"
        assert len(store.states(study)) == len(store.records(study)) == 1  # the study's run is no trial

    def test_a_record_says_where_it_was_made(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.tag({"device": "cuda:0", "warnings": "none"})
        writer.finish({}, ())
        (record,) = store.records(study)
        assert record.origin["device"] == "cuda:0"
        assert {"python_version", "torch_version", "host"} <= record.origin.keys()
        assert "warnings" not in record.origin

    def test_find_by_run_id_and_by_prefix(self, store: RunStore, study: str, make_trial):
        trial = make_trial(study)
        writer = store.open_run(trial)
        assert store.find(writer.run_id).run_id == writer.run_id
        assert store.find(trial.key[:6]).run_id == writer.run_id
        assert store.find(trial.key).key == trial.key
        for wrong in (trial.key[:5], "0123456789", "nothing", "%", ""):
            with pytest.raises(NotFoundError, match="no such run"):
                store.find(wrong)

    def test_of_a_pilot_and_a_seed_run_of_one_key_the_seed_run_is_found(
        self, store: RunStore, study: str, make_trial
    ):
        trial = make_trial(study)
        pilot = store.open_run(trial, "pilot")
        assert store.find(trial.key[:8]).run_id == pilot.run_id
        seed = store.open_run(trial)
        for name in (trial.key[:8], trial.key):
            assert store.find(name).run_id == seed.run_id
        assert store.find(pilot.run_id).role == "pilot"

    def test_an_ambiguous_prefix_names_the_runs(self, store: RunStore, study: str, make_trial):
        trial = make_trial(study)
        first, second = store.open_run(trial), store.open_run(replace(trial, study=f"{study}-b"))
        pilot = store.open_run(trial, "pilot")
        with pytest.raises(NotFoundError, match="3 runs have keys that begin so; give a run id") as caught:
            store.find(trial.key[:8])
        assert all(each.run_id in str(caught.value) for each in (first, second, pilot))

    def test_close_ends_a_run_whose_process_is_gone(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        store.close(writer.run_id, "killed", "its worker died\nfor good")
        (state,) = store.states(study)
        assert (state.status, state.error) == ("killed", "its worker died")

    def test_close_leaves_a_run_that_ended_by_itself(self, store: RunStore, study: str, make_trial):
        writer = store.open_run(make_trial(study))
        writer.finish({}, ())
        store.close(writer.run_id, "killed", "too late")
        (state,) = store.states(study)
        assert (state.status, state.error) == ("finished", None)
        with pytest.raises(ValueError, match="closed as failed or killed"):
            store.close(writer.run_id, "finished", "")

    def test_studies_stand_last_written_first(self, store: RunStore, study: str, make_trial):
        store.open_run(make_trial(f"{study}-a")).kill("x")
        store.open_run(make_trial(f"{study}-b")).kill("x")
        assert store.studies()[:2] == (f"{study}-b", f"{study}-a")
        store.open_run(make_trial(f"{study}-a"))
        assert store.studies()[:2] == (f"{study}-a", f"{study}-b")

    def test_an_unknown_study_is_named_with_the_nearest(self, store: RunStore, study: str, make_trial):
        store.open_run(make_trial(study)).kill("x")
        with pytest.raises(NotFoundError, match=f"{study}x: no such study in .*did you mean '{study}'"):
            store.records(f"{study}x")
        assert store.states(f"{study}x") == ()

    def test_summaries_and_descriptions_are_never_a_source(self, store: RunStore, study: str, make_trial):
        cell = CellSummary(
            "residual=gated", "gated", {"improvements.residual": "gated"}, {"test/pearson": 0.2}
        )
        store.summarise(study, [cell])
        store.describe(study, "# Results")
        assert store.states(study) == ()
        assert store.records(study) == ()
        store.open_run(make_trial(study)).finish({"test/pearson": 0.1}, ())
        store.summarise(study, [cell])
        assert len(store.states(study)) == len(store.records(study)) == 1

    def test_a_baseline_is_kept_once_and_is_no_study(self, store: RunStore, study: str, make_trial, scores):
        store.open_run(make_trial(study)).finish({}, [])
        run = BaselineRun(
            "b" * 32, "ridge", {"scope": "pooled"}, {"lambda": "1"}, {"test/pearson": 0.1}, scores
        )
        kept = store.keep_baseline(run)
        assert store.keep_baseline(run) == kept
        other = store.keep_baseline(replace(run, key="c" * 32))
        assert other != kept
        assert "baselines" not in store.studies()
        assert [record.key for record in store.records(study)] == [make_trial(study).key]
        with pytest.raises(NotFoundError):
            store.records("baselines")
