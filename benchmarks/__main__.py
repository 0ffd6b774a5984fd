"""Run the benchmarks and keep their results: ``python -m benchmarks [--full] [NAME ...]``.

``--full`` does more rounds where a benchmark offers them. Where there is a GPU, those that can use it do, and
their results have ``_gpu`` in their names.

Each result is one JSON file under ``benchmarks/results/`` with date, hardware, versions and command.
Absolute times belong to the machine named in the file; only ratios within one run may be quoted.
"""

from __future__ import annotations

import importlib
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import psutil

BENCHMARKS = {
    "startup": "CPU seconds that commands cost beyond the interpreter's own start",
    "step": "time and memory of a training step in our form and the plain one, by size; growth",
    "accelerator": "the step on a GPU: bfloat16, torch.compile, share of its peak; nothing without one",
    "improvements": "what each improvement adds to a training step",
    "loader": "windows per second against plain Datasets and DataLoaders",
    "data_wait": "share of the training loop's time in which it waits for its next batch",
    "diagnostics": "what each diagnostics preset adds to a training step, at the default interval",
    "gradient_scale": "what the gradient scale changes under Adam, Adam with clipping, and SGD",
    "baseline": "time and memory of the ridge, by scope and size, up to 85 subjects of 90 minutes (--full)",
    "calibration": "false positives, coverage and power of the crossed quasi-t, over sizes and spreads",
    "gate": "verdicts of the nightly regression gate over 200 simulated nights, by what the code has lost",
    "report": "seconds until a report of 60 and of 5,000 runs x 85 subjects is written",
    "orchestration": "seconds per trial that the launcher, Optuna and MLflow add",
}
GPU = """
import json, torch
found = {}
if torch.cuda.is_available():
    properties = torch.cuda.get_device_properties(0)
    memory = round(properties.total_memory / 2**30)
    found = {"gpu": properties.name, "gpu_memory_gib": memory, "cuda": torch.version.cuda}
print(json.dumps(found))
"""
RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, str | int]:
    """Date, hardware, versions and command of this run."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m benchmarks " + " ".join(sys.argv[1:]),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True) or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "mlflow", "optuna")},
        **_gpu(),
    }


def _gpu() -> dict[str, str | int]:
    # Asked in a process of its own: some benchmarks measure the memory of this one, and that of its children
    # is reported to be no less than its own was.
    done = subprocess.run([sys.executable, "-c", GPU], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main(arguments: list[str]) -> int:
    full = "--full" in arguments
    names = [argument for argument in arguments if argument != "--full"]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(
            f"error: no benchmark named {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}",
            file=sys.stderr,
        )
        return 2
    RESULTS.mkdir(exist_ok=True)
    found = circumstances()
    has_gpu = "gpu" in found
    for name in names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]}", flush=True)
        measure = importlib.import_module(f"benchmarks.{name}").measure
        options: dict[str, object] = {"full": full, "device": "cuda" if has_gpu else "cpu"}
        understood = signature(measure).parameters
        rows = measure(**{option: value for option, value in options.items() if option in understood})
        for row in rows:
            print("  " + "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        if not rows:
            print("  no GPU is at hand", flush=True)
            continue
        result = {"benchmark": name, "measures": BENCHMARKS[name], **found, "rows": rows}
        file = f"{name}_gpu.json" if has_gpu and "device" in understood else f"{name}.json"
        (RESULTS / file).write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
