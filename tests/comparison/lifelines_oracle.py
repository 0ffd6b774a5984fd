"""What lifelines computes for a set of cases, kept in `lifelines_oracle.json` for the tests to compare with.

lifelines needs pandas below 3, so it has no place in this project's environment. It runs in its own, with
nothing else of the project, from anywhere:

    python -m venv /tmp/lifelines
    /tmp/lifelines/bin/pip install lifelines==0.30.3
    /tmp/lifelines/bin/python tests/comparison/lifelines_oracle.py

That writes the file again, with the versions it ran under; a change of a case below is no change until then.

Kept is what ablab computes too: the Kaplan-Meier curve and its area up to tau, the restricted mean. A median,
an interval of the curve and a log-rank test ablab does not give, with a handful of seeds per cell: the
difference between two cells is tested paired by seed, as unpaired survival tests cannot.
"""

from __future__ import annotations

import datetime
import json
import platform
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")

CASES: dict[str, dict[str, list[float] | list[bool]]] = {
    "distinct times": {
        "times": [4, 3, 6, 9, 7],
        "reached": [True, True, True, True, True],
        "taus": [2, 4, 6.5, 9],
    },
    "ties": {
        "times": [5, 5, 2, 2, 2, 8, 8, 8, 8, 10],
        "reached": [True, True, True, True, True, True, True, True, True, True],
        "taus": [2, 5, 8, 10],
    },
    "censored in the epoch in which others arrive": {
        "times": [3, 3, 3, 6, 6, 6, 6],
        "reached": [True, False, True, False, True, False, True],
        "taus": [3, 4, 6],
    },
    "censored before, between and after arrivals": {
        "times": [1, 2, 4, 4.5, 5, 7, 9, 11, 12],
        "reached": [False, True, True, False, True, False, True, False, False],
        "taus": [1, 4.5, 8, 12],
    },
    "heavily censored": {
        "times": [20, 20, 20, 13, 20, 20, 20, 20, 17, 20, 20, 20],
        "reached": [False, False, False, True, False, False, False, False, True, False, False, False],
        "taus": [13, 15, 20],
    },
    "nobody arrived": {
        "times": [10, 10, 10, 8],
        "reached": [False, False, False, False],
        "taus": [5, 8, 10],
    },
    "everyone at once": {
        "times": [6, 6, 6, 6, 6],
        "reached": [True, True, True, True, True],
        "taus": [3, 6, 10],
    },
    "one seed, arrived": {"times": [7], "reached": [True], "taus": [5, 7, 10]},
    "one seed, censored": {"times": [10], "reached": [False], "taus": [5, 10]},
    "epochs that are no whole numbers": {
        "times": [2.5, 3.75, 3.75, 0.625, 8.125, 10],
        "reached": [True, True, False, True, True, False],
        "taus": [0.5, 3.75, 7, 10],
    },
    "two dozen": {
        "times": [12, 5, 20, 7, 20, 9, 9, 16, 3, 20, 11, 14, 8, 20, 7, 18, 20, 6, 10, 13, 20, 15, 4, 9],
        "reached": [
            *[True, True, False, True, False, True, False, True, True, False, True, True],
            *[False, False, True, True, True, True, False, True, False, True, True, True],
        ],
        "taus": [2, 7, 9.5, 16, 20],
    },
}
"""times: epochs at which each run arrived or, where it is not ``reached``, was last seen."""


def answers(case: dict[str, Any]) -> dict[str, Any]:
    """Epochs with an arrival, the share below right after each, and the restricted mean up to each tau."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    fitted = KaplanMeierFitter().fit(case["times"], case["reached"])
    table = fitted.event_table
    epochs = [float(epoch) for epoch in table.index[table["observed"] > 0]]
    return {
        "epochs": epochs,
        "below": [float(fitted.survival_function_.loc[epoch].iloc[0]) for epoch in epochs],
        "restricted_means": [float(restricted_mean_survival_time(fitted, t=tau)) for tau in case["taus"]],
    }


def main() -> None:
    """Write the file."""
    import lifelines
    import pandas

    content = {
        "made": {
            "by": f"lifelines {lifelines.__version__}, pandas {pandas.__version__}, "
            f"Python {platform.python_version()}",
            "on": datetime.date.today().isoformat(),
        },
        "cases": {name: {**case, "lifelines": answers(case)} for name, case in CASES.items()},
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
