"""What a failure is called: the texts of PyTorch and the kernel, read for their numbers."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from ablab.errors import AblabError, NonFiniteLossError, StoreError
from ablab.orchestration.failures import cause_of_death, explain, first_line
from ablab.orchestration.memory import Memory

NEW = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 5.19"
    " GiB is free. Including non-PyTorch memory, this process has 73.91 GiB memory in use. Of the allocated"
    " memory 72.00 GiB is allocated by PyTorch, and 1.20 GiB is reserved by PyTorch but unallocated."
)
OLD = (
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 1; 15.78 GiB total capacity; 14.56 GiB already"
    " allocated; 38.44 MiB free; 14.80 GiB reserved in total by PyTorch)"
)
MAIN = (
    "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate memory: you tried to"
    " allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
)
CALM, KILLED = Memory(3, 2**34, is_limited=False), Memory(4, 2**34, is_limited=True)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            RuntimeError(NEW),
            "out of memory on GPU 0: 20.00 GiB more were needed, 5.19 GiB were free of 79.11 GiB;"
            " this trial had 73.91 GiB",
        ),
        (
            RuntimeError(OLD),
            "out of memory on GPU 1: 2.00 GiB more were needed, 38.44 MiB were free of 15.78 GiB;"
            " this trial had 14.56 GiB",
        ),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might"), "out of memory on the GPU"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "out of memory on the GPU",
        ),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            "out of memory on the GPU",
        ),
        (RuntimeError("Triton Error [CUDA]: out of memory"), "out of memory on the GPU"),
        (RuntimeError("CUDA driver error: out of memory"), "out of memory on the GPU"),
        (
            RuntimeError("ncclUnhandledCudaError: ... Cuda failure 2 'out of memory'"),
            "out of memory on the GPU",
        ),
        (
            RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling"),
            "out of memory on the GPU",
        ),
        (RuntimeError(MAIN), "out of memory: 4.0 GiB more were needed"),
        (
            MemoryError("Unable to allocate 7.45 GiB for an array with shape (10, 10) and data type float64"),
            "out of memory: 7.45 GiB more were needed",
        ),
        (MemoryError(), "out of memory"),
    ],
)
def test_want_of_memory_is_named_with_its_numbers(
    error: Exception, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert explain(error, tmp_path) == ("memory", line)


@pytest.mark.parametrize(("visible", "named"), [("5,7", "5"), ("GPU-a1b2", "GPU-a1b2"), ("", "0")])
def test_a_full_gpu_is_named_as_it_is_outside_the_worker(
    visible: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert explain(RuntimeError(NEW), tmp_path)[1].startswith(f"out of memory on GPU {named}: 20.00 GiB more")


def test_a_full_disk_is_named_with_path_and_room(tmp_path: Path) -> None:
    cause, line = explain(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a.pt")), tmp_path)
    assert cause == "disk"
    assert line.startswith(f"disk full: cannot write {tmp_path}/a.pt; ")
    assert " free of " in line and line.endswith("Make room, then run the same command again")
    wrapped = StoreError("cannot write")
    wrapped.__cause__ = RuntimeError("(sqlite3.OperationalError) database or disk is full")
    assert explain(wrapped, tmp_path)[0] == "disk"


def test_a_file_that_could_not_be_written_is_no_full_disk_where_there_is_room(tmp_path: Path) -> None:
    text = "[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0; file write failed"
    assert explain(RuntimeError(text), tmp_path)[0] == "error"


@pytest.mark.parametrize(
    "text",
    [
        "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
        "CUDA error: an illegal memory access was encountered",
        "CUDNN_STATUS_EXECUTION_FAILED",
    ],
)
def test_other_errors_of_a_gpu_are_not_want_of_its_memory(text: str, tmp_path: Path) -> None:
    assert explain(RuntimeError(text), tmp_path)[0] == "error"


def test_other_causes(tmp_path: Path) -> None:
    assert explain(NonFiniteLossError("at step 3"), tmp_path) == ("diverged", "at step 3")
    assert explain(StoreError("no answer"), tmp_path) == ("store", "no answer")
    assert explain(ValueError("seven"), tmp_path) == ("error", "ValueError: seven")
    assert first_line(AblabError("\none\ntwo")) == "one"


def test_the_kernel_s_count_tells_want_of_memory_from_a_kill() -> None:
    kill = -signal.SIGKILL
    assert cause_of_death(kill, "", 15 * 2**30, CALM, KILLED) == (
        "memory",
        "out of memory: the kernel killed the worker (SIGKILL) for want of it; its peak was 15.0 GiB, with"
        " 16.0 GiB allowed here",
    )
    assert cause_of_death(kill, "", 15 * 2**30, CALM, CALM)[1].startswith("out of memory, by all appearances")
    assert cause_of_death(kill, "loading", 2**29, CALM, CALM) == (
        "died",
        "the worker was killed from outside (SIGKILL, not for want of memory: its peak was 0.5 GiB, with"
        " 16.0 GiB of this machine): loading",
    )


def test_other_deaths() -> None:
    assert cause_of_death(-signal.SIGSEGV, "a\nb\nc\nFatal Python error: x\nd", 0, CALM, CALM) == (
        "died",
        "the worker was killed by signal 11 (SIGSEGV): a | b | c",
    )
    cause, line = cause_of_death(-signal.SIGABRT, "what():  std::bad_alloc", 2**30, CALM, CALM)
    assert cause == "memory"
    assert line.startswith("out of memory: the worker was killed by signal 6 (SIGABRT); its peak was 1.0 GiB")


def test_a_disk_that_was_full_before_the_trial_began_is_named() -> None:
    words = "Traceback\nOSError: [Errno 28] No space left on device: '/mlruns/workers/q/seed-a.lease'"
    cause, line = cause_of_death(1, words, 0, CALM, CALM)
    assert cause == "disk"
    assert line.startswith(
        "disk full: the worker ended with exit code 1: Traceback | OSError: [Errno 28] No space"
    )
    assert line.endswith("Make room, then run the same command again")
