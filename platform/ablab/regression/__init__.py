"""Does a result that was shown once still hold? Baselines, the gate that guards them, schedule, history."""
