from __future__ import annotations

from ablab.tracking.memory import MemoryStore
from ablab.tracking.recording import StoreObserver


def test_facts_metrics_and_warnings_reach_the_store(make_trial, caplog):
    store = MemoryStore()
    writer = store.open_run(make_trial("s"))
    observer = StoreObserver(writer)
    observer.begin({"device": "cpu", "model/parameters": 1234, "steps": 10})
    observer.metrics(5, {"train/loss": 0.5})
    observer.histograms(5, {})
    observer.progress(1, 2, 5, {"train/loss": 0.5})
    observer.warning("Gradient/norm left 1-10 at step 5: 0.3")
    observer.warning("validation r has not risen for 5 evaluations")
    observer.warning("Gradient/norm left 1-10 at step 5: 0.3")

    assert store.tags(writer.run_id) == {
        "device": "cpu",
        "warnings": "Gradient/norm left 1-10 at step 5: 0.3\nvalidation r has not risen for 5 evaluations",
    }
    assert store.records("s")[0].metrics == {"model/parameters": 1234.0, "steps": 10.0, "train/loss": 0.5}
    assert caplog.text.count("Gradient/norm left") == 2


def test_many_warnings_stay_within_a_tag(make_trial):
    store = MemoryStore()
    writer = store.open_run(make_trial("s"))
    observer = StoreObserver(writer)
    for step in range(500):
        observer.warning(f"Gradient/norm left 1-10 at step {step}")
    assert len(store.tags(writer.run_id)["warnings"]) <= 4000
