"""From planned trials to finished runs: what is missing, who trains it, what happens when something dies."""
