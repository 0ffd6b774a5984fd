"""Peak memory of a trial: what the process held at most, or on a GPU what its tensors did."""

from __future__ import annotations

import resource
import sys

import torch

_MIB = 2**20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB elsewhere


def begin_peak(device: torch.device) -> None:
    """Count a GPU's peak from here; a CPU's is the process's own, and a trial has a process of its own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device) -> float:
    """Peak in MiB: of tensors on a GPU, else of the process's resident memory since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT / _MIB
