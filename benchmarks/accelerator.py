"""The step benchmark on a GPU: bfloat16 autocast, torch.compile and replay, share of the card's peak."""

from __future__ import annotations

import statistics
from dataclasses import replace
from time import perf_counter

from benchmarks.trainee import Step, Trainee

Row = dict[str, str | int | float]

SIZES = {
    "d 256, 8 blocks, batch 32, 10 s": Step(
        "ours", d_model=256, n_layers=8, batch=32, seconds=10.0, device="cuda"
    ),
    "d 64, 2 blocks, batch 16, 10 s": Step(
        "ours", d_model=64, n_layers=2, batch=16, seconds=10.0, device="cuda"
    ),
}
"""All forms of a size lie on the card at once: some 60 GiB, more than half of it the plain forms'."""
PLAIN = "plain float32"


def _forms(size: Step) -> dict[str, Step]:
    return {
        PLAIN: replace(size, form="plain"),
        "plain float32, convolutions in TF32": replace(size, form="plain", tf32=True),
        "plain bfloat16": replace(size, form="plain", precision="bfloat16"),
        "ours float32": size,
        "ours float32, compiled": replace(size, compile=True),
        "ours bfloat16": replace(size, precision="bfloat16"),
        "ours bfloat16, compiled": replace(size, precision="bfloat16", compile=True),
    }


ROUNDS, WARM_UP = 20, 5


def measure(device: str = "cpu") -> list[Row]:
    """One row per size and form, the plain float32 form first; none without a GPU."""
    if device == "cpu":
        return []
    return [row for name, size in SIZES.items() for row in _measured(name, size)]


def _measured(size: str, case: Step) -> list[Row]:
    import torch

    forms = _forms(case)
    trainees = {name: Trainee(step) for name, step in forms.items()}
    for trainee in trainees.values():  # together: compiling takes long
        trainee.begin_step()
    first = {name: trainee.end_step() for name, trainee in trainees.items()}
    taken = [
        {name: trainee.step_seconds() for name, trainee in trainees.items()} for _ in range(WARM_UP + ROUNDS)
    ]
    memory = {name: trainee.end()["peak"] for name, trainee in trainees.items()}
    operations, peak = _operations(case), _peak_per_second()
    rows: list[Row] = []
    for name in forms:
        seconds = statistics.median(each[name] for each in taken[WARM_UP:])
        row: Row = {
            "part": f"GPU ({torch.cuda.get_device_name()})",
            "size": size,
            "form": name,
            "first_step_s": round(first[name], 1),
            "step_ms": round(1000 * seconds, 1),
            "times_as_fast": round(
                statistics.median(each[PLAIN] / each[name] for each in taken[WARM_UP:]), 2
            ),
            "peak_mib": round(memory[name]),
            "share_of_bfloat16_matmul_peak": round(operations / seconds / peak, 3),
        }
        rows.append(row)
    return rows


def _operations(case: Step) -> int:
    """Floating point operations of a step of the plain form; what the fast form saves does not count."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ablab.spec.experiment import Conformer, Improvements
    from benchmarks.plain import plain_model
    from benchmarks.trainee import N_CHANS, N_SUBJECTS

    model = Conformer(d_model=case.d_model, d_inner=4 * case.d_model, n_heads=4, n_layers=case.n_layers)
    decoder = plain_model(model, Improvements(), N_CHANS, N_SUBJECTS).cuda().train()
    eeg = torch.randn(1, round(64 * case.seconds), N_CHANS, device="cuda")
    with FlopCounterMode(display=False) as counter:
        decoder(eeg, torch.zeros(1, dtype=torch.int64, device="cuda")).sum().backward()
    return counter.get_total_flops() * case.batch


def _peak_per_second() -> float:
    """Operations per second of a large bfloat16 product, as the card does it now."""
    import torch

    n = 8192
    a = torch.randn(n, n, device="cuda", dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        begun = perf_counter()
        a @ a
        torch.cuda.synchronize()
        best = min(best, perf_counter() - begun)
    return float(2 * n**3 / best)
