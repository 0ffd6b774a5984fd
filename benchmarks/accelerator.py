"""The step benchmark on a GPU, where there is one: bfloat16 autocast, torch.compile, share of the peak."""

from __future__ import annotations

import statistics
from dataclasses import replace
from time import perf_counter

from benchmarks.trainee import Step, Trainee

Row = dict[str, str | int | float]

CASE = Step("ours", d_model=256, n_layers=8, batch=32, seconds=10.0, device="cuda")
"""All four forms lie on the card at once: some 50 GB, most of it the plain form's."""
FORMS = {
    "plain float32": replace(CASE, form="plain"),
    "ours float32": CASE,
    "ours bfloat16": replace(CASE, precision="bfloat16"),
    "ours bfloat16, compiled": replace(CASE, precision="bfloat16", compile=True),
}
NO_GPU = (
    "no GPU was at hand: bfloat16 autocast, torch.compile, the aim of 5 times the plain float32 form and the "
    "share of the card's peak are not measured; on a machine with one the same command measures them"
)
ROUNDS, WARM_UP = 20, 5


def measure() -> list[Row]:
    """One row per form, the plain float32 form first; or the one row that says that there was no GPU."""
    import torch

    if not torch.cuda.is_available():
        return [{"part": "GPU", "note": NO_GPU}]
    trainees = {name: Trainee(step) for name, step in FORMS.items()}
    taken = [
        {name: trainee.step_seconds() for name, trainee in trainees.items()} for _ in range(WARM_UP + ROUNDS)
    ][WARM_UP:]
    memory = {name: trainee.end()["peak"] for name, trainee in trainees.items()}
    operations, peak = _operations(), _peak_per_second()
    rows: list[Row] = []
    for name in FORMS:
        seconds = statistics.median(each[name] for each in taken)
        row: Row = {
            "part": f"GPU ({torch.cuda.get_device_name()})",
            "form": name,
            "step_ms": round(1000 * seconds, 1),
            "times_as_fast": round(
                statistics.median(each["plain float32"] / each[name] for each in taken), 2
            ),
            "peak_mib": round(memory[name]),
            "share_of_bfloat16_matmul_peak": round(operations / seconds / peak, 3),
        }
        rows.append(row)
    return rows


def _operations() -> int:
    """Floating point operations of a step of the plain form; what the fast form saves does not count."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ablab.spec.experiment import Conformer, Improvements
    from benchmarks.plain import plain_model
    from benchmarks.trainee import N_CHANS, N_SUBJECTS

    model = Conformer(d_model=CASE.d_model, d_inner=4 * CASE.d_model, n_heads=4, n_layers=CASE.n_layers)
    decoder = plain_model(model, Improvements(), N_CHANS, N_SUBJECTS).cuda().train()
    eeg = torch.randn(1, round(64 * CASE.seconds), N_CHANS, device="cuda")
    with FlopCounterMode(display=False) as counter:
        decoder(eeg, torch.zeros(1, dtype=torch.int64, device="cuda")).sum().backward()
    return counter.get_total_flops() * CASE.batch


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
