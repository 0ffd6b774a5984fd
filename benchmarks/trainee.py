"""One decoder in a process of its own, which does a training step whenever it is told to.

    python -m benchmarks.trainee '{"form": "ours", "d_model": 64, ...}'

answers each line on stdin with the seconds of one step (forward, backward, update; of CPU, or of the wall on
an accelerator), and at the end of its input with one JSON line: the process's peak memory before the first
step and behind the last.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time

ROOT = Path(__file__).resolve().parents[1]
N_CHANS, N_SUBJECTS = 64, 71


@dataclass(frozen=True, slots=True)
class Step:
    """What is measured."""

    form: str
    """``ours`` or ``plain``."""
    d_model: int
    n_layers: int
    batch: int
    seconds: float
    """Window length."""
    device: str = "cpu"
    precision: str = "float32"
    compile: bool = False
    tf32: bool = False
    """Convolutions as PyTorch is set by default: with 10 bits of mantissa."""
    threads: int = 1


class Trainee:
    """The parent's end of the process."""

    def __init__(self, step: Step) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.trainee", json.dumps(asdict(step))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def step_seconds(self) -> float:
        """Have one step done."""
        self.begin_step()
        return self.end_step()

    def begin_step(self) -> None:
        """Have one step begun."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end_step(self) -> float:
        """Wait for it; its seconds."""
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def end(self) -> dict[str, float]:
        """Peak memory in MiB: ``before`` the first step, ``peak`` of all."""
        found, _ = self._process.communicate()
        return json.loads(found)  # type: ignore[no-any-return]


def _main(step: Step) -> None:
    import torch
    from torch import Tensor

    from ablab.models.build import build_model
    from ablab.models.compiled import compile_decoder
    from ablab.spec.experiment import Conformer, Improvements, LayerRates, MsePearson, Training
    from ablab.training.batches import Batch, autocast
    from ablab.training.losses import loss
    from ablab.training.optimiser import build_optimiser
    from ablab.training.parameter_groups import parameter_groups
    from ablab.training.replay import Replay
    from benchmarks.plain import plain_model

    device = torch.device(step.device)
    torch.set_num_threads(step.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = step.tf32
    torch.backends.cudnn.deterministic = step.form == "ours"  # as every trial is trained
    model = Conformer(d_model=step.d_model, d_inner=4 * step.d_model, n_heads=4, n_layers=step.n_layers)
    build = build_model if step.form == "ours" else plain_model
    decoder = build(model, Improvements(), N_CHANS, N_SUBJECTS).to(device).train()
    if step.compile:
        compile_decoder(decoder)
    if step.form == "ours":
        optimiser = build_optimiser(Training(), parameter_groups(decoder, LayerRates(), 0.0))
    else:
        optimiser = torch.optim.Adam(decoder.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9)
    n_times = round(64 * step.seconds)
    batch = Batch(
        torch.randn(step.batch, n_times, N_CHANS, device=device),
        torch.randn(step.batch, n_times, 1, device=device),
        torch.randint(N_SUBJECTS, (step.batch,), device=device),
    )
    before = _peak(device)
    # On a CPU the time that the process computes: what else the machine does is not in it.
    clock = process_time if device.type == "cpu" else perf_counter

    def gradients(batch: Batch) -> Tensor:
        optimiser.zero_grad()
        with autocast(step.precision, device):
            prediction = decoder(batch.eeg, batch.subject)
        value = loss(prediction.float(), batch.envelope, MsePearson())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    replay = Replay(decoder) if step.compile and device.type == "cuda" else None
    for _ in sys.stdin:
        begun = clock()
        gradients(batch) if replay is None else replay(gradients, batch)
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        print(clock() - begun, flush=True)
    print(json.dumps({"before": before, "peak": _peak(device)}))


def _peak(device: object) -> float:
    import torch

    if str(device) != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    _main(Step(**json.loads(sys.argv[1])))
