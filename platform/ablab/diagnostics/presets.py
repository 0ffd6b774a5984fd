"""Which quantities there are, and which of them each preset computes."""

from __future__ import annotations

from collections.abc import Callable

from ablab.diagnostics.drift import Drift
from ablab.diagnostics.gate import GateStatistics
from ablab.diagnostics.gradient_ratio import GradientRatio
from ablab.diagnostics.gradient_rms import GradientRms
from ablab.diagnostics.guide_ratio import GuideRatio
from ablab.diagnostics.guide_weight_change import GuideWeightChange
from ablab.diagnostics.path_efficiency import PathEfficiency
from ablab.diagnostics.quantity import Quantity
from ablab.diagnostics.update_ratio import UpdateRatio

QUANTITIES: dict[str, Callable[[], Quantity]] = {
    "gradient_ratio": GradientRatio,
    "guide_ratio": GuideRatio,
    "drift": Drift,
    "guide_weight_change": GuideWeightChange,
    "gate": GateStatistics,
    "gradient_rms": GradientRms,
    "update_ratio": UpdateRatio,
    "path_efficiency": PathEfficiency,
}
"""Name -> a new quantity of a session."""

_CHEAP = ("gradient_ratio", "guide_ratio", "drift", "guide_weight_change", "gate")

PRESETS: dict[str, tuple[str, ...]] = {
    "off": (),
    "cheap": _CHEAP,
    "full": (*_CHEAP, "gradient_rms", "update_ratio", "path_efficiency"),
}
"""``diagnostics.preset`` -> its quantities, ordered by cost; each contains the one before."""

HISTOGRAM_EVERY = {"cheap": 10, "full": 1}
"""Preset -> histograms at every so many observed steps; presets left out make none."""
