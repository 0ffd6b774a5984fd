"""How well a predicted envelope follows the true one: Pearson, segments, subjects, chance. Pure numpy."""
