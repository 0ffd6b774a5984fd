"""Every error a user can see, and the exit code it ends a command with.

    AblabError                 exit 1
    ├── InputError             exit 2   something the user gave is wrong
    │   ├── SpecError                   a spec file or an override; carries one Problem per fault
    │   ├── DataError                   a data folder or one of its files
    │   │   └── LeakageError            training data stands again in validation or test
    │   ├── NotFoundError               a study, run, cell or file that does not exist
    │   ├── MixedRecordsError           records that may not be compared with one another
    │   └── StaleRunsError              finished runs of another code fingerprint; the user must choose
    ├── StoreError             exit 1   the tracking store cannot be reached or refuses
    ├── LauncherError          exit 1   what starts the trials does not answer
    ├── StudyLockedError       exit 1   another process is running the study
    └── TrialError             exit 1   one trial failed; a grid goes on
        ├── NonFiniteLossError          the loss became NaN or infinite
        └── WorkerDiedError             the worker process ended without a result

Imports nothing from the rest of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AblabError(Exception):
    """Base of all errors that ablab raises on purpose; its text is written for the user."""

    exit_code = 1


class InputError(AblabError):
    """Something that the user gave is wrong; nothing was run."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, with the place where the user can mend it.

    >>> str(Problem("experiments/a.yaml", 14, "model.d_modle", "unknown key (did you mean 'd_model'?)"))
    "experiments/a.yaml:14: model.d_modle: unknown key (did you mean 'd_model'?)"
    """

    source: str
    """The file as the user named it, or ``--set`` for an override."""
    line: int | None
    """1-based line in ``source``; None where there is none."""
    key: str
    """Dotted key, or empty where the fault is not tied to one."""
    reason: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.key}: {self.reason}" if self.key else f"{place}: {self.reason}"


class SpecError(InputError):
    """A spec cannot be used; ``problems`` lists every fault found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class DataError(InputError):
    """A data folder cannot be used; ``problems`` lists every fault found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[DataError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class LeakageError(DataError):
    """A segment of a training envelope stands again in validation or test."""


class NotFoundError(InputError):
    """A study, run, cell or file that does not exist; the text names what does."""


class MixedRecordsError(InputError):
    """Records that differ in more than the declared factors and the seed."""


class StaleRunsError(InputError):
    """Finished runs were made by other code, and the user has not said what to do with them."""


class StoreError(AblabError):
    """The tracking store cannot be reached, or refused what was asked of it."""


class LauncherError(AblabError):
    """What a launcher works through, such as a cluster's controller, does not answer."""


class StudyLockedError(AblabError):
    """Another process is running the study."""


class TrialError(AblabError):
    """A trial failed."""


class NonFiniteLossError(TrialError):
    """The training loss became NaN or infinite."""


class WorkerDiedError(TrialError):
    """A worker process ended without handing back a result."""
