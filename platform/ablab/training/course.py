"""How far a trial has come between its epochs: what the loop counts and the best evaluation so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from ablab.scoring.aggregate import Scores, SubjectMean
from ablab.spec.experiment import Training
from ablab.training.steps import Tally


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The evaluation with the highest validation r, the earliest where several are equal."""

    epoch: int
    step: int
    scores: Scores
    weights: Mapping[str, Tensor]
    """On the CPU, and shared with nothing that is trained."""


@dataclass(slots=True)
class Course:
    """Changes at the end of an epoch only."""

    epoch: int = 0
    """Epochs that are over."""
    since_best: int = 0
    """Evaluations since the best one."""
    best: Best | None = None
    norms: list[float] = field(default_factory=list)
    """Gradient norms since the last evaluation."""
    windows: int = 0
    step_seconds: float = 0.0
    """Of all steps; evaluations do not count."""
    train_loss: float = math.nan
    """Mean over the windows of the last epoch."""

    def is_over(self, training: Training) -> bool:
        """Whether nothing is left to train."""
        return self.epoch >= training.epochs or self.is_stopped(training)

    def is_stopped(self, training: Training) -> bool:
        """Whether ``training.early_stopping`` says that it is enough."""
        stopping = training.early_stopping
        return stopping is not None and self.since_best >= stopping.patience_evaluations

    def end_epoch(self, tally: Tally) -> None:
        """Count an epoch whose steps are done."""
        self.epoch += 1
        self.norms += tally.norms
        self.windows += tally.windows
        self.step_seconds += tally.seconds
        self.train_loss = tally.mean_loss

    def end_evaluation(self, step: int, scores: Scores, decoder: nn.Module) -> None:
        """Count an evaluation of ``decoder``, whose weights are kept where it is the best so far."""
        self.norms = []
        if self.best is None or scores.mean > self.best.scores.mean:
            weights = {name: tensor.detach().cpu().clone() for name, tensor in decoder.state_dict().items()}
            self.best, self.since_best = Best(self.epoch, step, scores, weights), 0
        else:
            self.since_best += 1

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on: tensors and plain values."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "best"}
        best = self.best
        if best is None:
            return {**plain, "best": None}
        kept = {"epoch": best.epoch, "step": best.step, "scores": asdict(best.scores)}
        return {**plain, "best": {**kept, "weights": dict(best.weights)}}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Course:
        """The course that `state` was taken of."""
        best = state["best"]
        if best is not None:
            best = Best(best["epoch"], best["step"], _scores(best["scores"]), best["weights"])
        return cls(**{**state, "best": best})


def _scores(plain: Mapping[str, Any]) -> Scores:
    subjects = {name: SubjectMean(**values) for name, values in plain["subjects"].items()}
    return Scores(**{**plain, "subjects": subjects})
