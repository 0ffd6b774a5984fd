"""What several processes do in the tests, by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablab.data.corpus import Corpus, Recording
from ablab.models.build import build_model
from ablab.spec.trial import Trial
from ablab.training.evaluate import Setting, predict
from ablab.training.messages import Seat
from ablab.training.run import run


class Partly(nn.Module):
    """A decoder with a parameter that the loss does not reach, and a buffer of the process's own."""

    statistics: Tensor

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.used = nn.Parameter(torch.full((2,), float(rank)))
        self.unused = nn.Parameter(torch.ones(3))
        self.register_buffer("statistics", torch.full((2,), float(rank)))

    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        return eeg * self.used


def decoder_of(trial: Trial, corpus: Corpus, rank: int = 0) -> nn.Module:
    """A decoder with a BatchNorm; its weights are the same in each process, its statistics are not."""
    experiment = trial.cell.experiment
    model = experiment.model.model_copy(update={"n_layers": 1})
    torch.manual_seed(5)
    decoder = build_model(model, experiment.improvements, corpus.n_chans, len(corpus.subjects))
    for name, buffer in decoder.named_buffers():
        if name.endswith("running_var"):
            buffer += rank
    return decoder


def everything(
    seat: Seat,
    trial: Trial,
    corpus: Corpus,
    recordings: tuple[Recording, ...],
    setting: Setting,
    folder: Path,
) -> list[dict[str, Any]]:
    """One of each: by process, what it got."""
    world = seat.world
    got: dict[str, Any] = {
        "gather": world.gather(f"of {world.rank}"),
        "first": world.first(world.rank + 10),
        "any": (world.any(world.rank == 1), world.any(False)),
        "mean": world.mean(torch.tensor([1.0, float(world.rank)])).tolist(),
    }
    partly = Partly(world.rank)
    module = world.wrap(partly)  # type: ignore[arg-type]
    got["weights"] = partly.used.tolist()
    prediction = module(torch.tensor([1.0, 10.0 * world.rank]), torch.zeros(1))
    prediction.sum().backward()
    assert partly.used.grad is not None
    got["gradient"] = partly.used.grad.tolist()
    got["unreached"] = partly.unused.grad
    partly.statistics.fill_(world.rank)
    world.synchronise(partly)
    got["statistics"] = partly.statistics.tolist()
    own = Setting(**{**{name: getattr(setting, name) for name in setting.__slots__}, "world": world})
    decoder = decoder_of(trial, corpus, world.rank)
    got["predictions"] = predict(decoder, recordings, own)  # type: ignore[arg-type]
    outcome = run(trial, corpus, folder, seat.observer, device=seat.device, world=world)
    got["outcome"] = outcome
    return world.gather(got)


def one_raises(seat: Seat) -> None:
    if seat.world.rank == 1:
        raise ZeroDivisionError("seven by nothing")
    seat.world.wait()


def one_dies(seat: Seat) -> None:
    if seat.world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    seat.world.wait()


def sleeps(seat: Seat, file: Path) -> None:
    pids = seat.world.gather(os.getpid())
    if seat.world.is_first:
        file.with_suffix(".new").write_text(" ".join(map(str, pids)))
        file.with_suffix(".new").replace(file)
    time.sleep(120)
