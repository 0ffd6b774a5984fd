"""A Ray cluster of three nodes on this machine, with GPUs that are made up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

_OBJECT_STORE_BYTES = 80 * 2**20
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # else it hangs on whether Ray has left a token in the home folder
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_MEMORY_MONITOR": "1",
    "OMP_NUM_THREADS": "1",
}
"""Variables of a cluster on a small machine."""
HERE = str(Path(__file__).parent)


@contextmanager
def cluster(*nodes: tuple[int, int]) -> Iterator[Cluster]:
    """Nodes of so many (cores, GPUs), the first being the head; tests' own modules are found on them."""
    path = os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))
    wanted = {**QUIET, "PYTHONPATH": path}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    made = Cluster()
    try:
        for cores, gpus in nodes:
            made.add_node(
                num_cpus=cores,
                num_gpus=gpus,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
            )
        yield made
    finally:
        ray.shutdown()
        made.shutdown()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
