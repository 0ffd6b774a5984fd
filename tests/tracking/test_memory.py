"""What the memory store shows beyond the contract."""

from __future__ import annotations

from ablab.tracking.memory import MemoryStore
from ablab.tracking.store import CellSummary


def test_tags_summaries_and_descriptions_can_be_looked_at(make_trial):
    store = MemoryStore()
    writer = store.open_run(make_trial("s"))
    writer.tag({"device": "cpu"})
    cell = CellSummary("a", "a", {}, {"test/pearson": 0.1})
    store.summarise("s", [cell])
    store.describe("s", "text")
    assert store.tags(writer.run_id) == {"device": "cpu"}
    assert store.summaries == {"s": {"a": cell}}
    assert store.descriptions == {"s": "text"}
