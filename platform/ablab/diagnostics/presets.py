"""Which quantities there are, and which of them each preset computes."""

from __future__ import annotations

from collections.abc import Callable

from ablab.diagnostics.branch_energy import BranchEnergy
from ablab.diagnostics.clip_fraction import ClipFraction
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
    "clip_fraction": ClipFraction,
    "gate": GateStatistics,
    "gradient_rms": GradientRms,
    "gradient_ratio": GradientRatio,
    "branch_energy": BranchEnergy,
    "drift": Drift,
    "update_ratio": UpdateRatio,
    "guide_ratio": GuideRatio,
    "guide_weight_change": GuideWeightChange,
    "path_efficiency": PathEfficiency,
}
"""Name -> a new quantity of a session, ordered by what each adds to the cost of those before it."""

_CHEAP = tuple(name for name in QUANTITIES if name != "path_efficiency")
"""All but what keeps a further copy of the weights."""

PRESETS: dict[str, tuple[str, ...]] = {
    "off": (),
    "cheap": _CHEAP,
    "full": (*_CHEAP, "path_efficiency"),
}
"""``diagnostics.preset`` -> its quantities, ordered by cost; each contains the one before."""

BYPASSED: dict[str, bool] = {"cheap": False, "full": True}
"""Preset -> whether the bypass drop is measured of each block as well as of the stack; absent: of neither."""

HISTOGRAM_EVERY = {"cheap": 10, "full": 1}
"""Preset -> histograms at every so many observed steps; presets left out make none."""
