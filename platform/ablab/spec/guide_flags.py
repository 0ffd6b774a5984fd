"""The flags of the guide's training scripts, as the experiment that they mean.

The scripts parsed booleans with ``type=bool``, so that ``--use_gated_residual False`` was True and the
guide's conservative configuration never ran. Here a flag arrives as a real boolean, and flags that contradict
one another are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ablab.errors import InputError, Problem, SpecError
from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import digest, flatten
from ablab.spec.load import LoadedExperiment, experiment_in
from ablab.spec.overrides import SOURCE
from ablab.spec.reader import read_text
from ablab.spec.writing import experiment_yaml

Variant = Literal["original", "v2"]

KEYS: Mapping[str, str] = {
    "data": "dataset.path",
    "n_layers": "model.n_layers",
    "d_model": "model.d_model",
    "n_head": "model.n_heads",
    "conv_kernel_size": "model.conv_kernel_size",
    "gradient_scale": "improvements.gradient_scale",
    "epoch": "training.epochs",
    "batch_size": "training.batch_size",
    "nproc_per_node": "training.processes",
    "learning_rate": "training.learning_rate",
}
"""Flag -> the key that holds its value as it is."""

_RESIDUAL, _HEAD = "improvements.residual", "improvements.mlp_head"
_FLAGS = {
    **{key: flag for flag, key in KEYS.items()},
    _RESIDUAL: "use_gated_residual",
    _HEAD: "use_mlp_head",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFlags:
    """The flags as given; None where a flag was not."""

    variant: Variant
    epoch: int | None = None
    batch_size: int | None = None
    n_layers: int | None = None
    d_model: int | None = None
    n_head: int | None = None
    conv_kernel_size: int | None = None
    learning_rate: float | None = None
    use_gated_residual: bool | None = None
    """v2 only; False is the simple residual."""
    use_mlp_head: bool | None = None
    """v2 only."""
    gradient_scale: float | None = None
    """v2 only."""
    use_ddp: bool = False
    nproc_per_node: int | None = None
    """Processes of one training, each on a GPU of its own; with ``use_ddp`` only."""
    data: str | None = None


def meant(flags: GuideFlags) -> dict[str, Level]:
    """Every spec key that some flag sets, with the value that these flags mean.

    >>> meant(GuideFlags(variant="v2", use_gated_residual=False))["improvements.residual"]
    'global'

    Raises InputError for flags that contradict one another.
    """
    _refuse_contradictions(flags)
    default = flatten(Experiment(name="defaults"))  # ablab's defaults are the guide's, by test
    values = {_RESIDUAL: default[_RESIDUAL], _HEAD: default[_HEAD]}
    if flags.variant == "v2":
        values[_RESIDUAL] = "global" if flags.use_gated_residual is False else "gated"
        values[_HEAD] = flags.use_mlp_head is not False
        default |= {KEYS["gradient_scale"]: 2.0}
    for flag, key in KEYS.items():
        given = getattr(flags, flag)
        values[key] = default[key] if given is None else given
    return values


def guide_spec(flags: GuideFlags) -> tuple[str, str]:
    """Name and YAML text of the experiment; the name holds a hash of the values, so that it stays theirs."""
    values = meant(flags)
    name = f"guide_{flags.variant}@{digest(values)[:8]}"
    return name, experiment_yaml(name, values)


def guide_experiment(flags: GuideFlags, overrides: Sequence[str] = ()) -> LoadedExperiment:
    """The experiment that the flags and ``key=value`` overrides mean.

    Raises InputError for contradicting flags; SpecError, naming the flag, for a value that cannot be.
    """
    name, text = guide_spec(flags)
    path = Path(f"{name}.yaml")
    try:
        return experiment_in(read_text(text, str(path)), path, overrides)
    except SpecError as error:
        raise SpecError([_of_flag(problem) for problem in error.problems]) from error


def _refuse_contradictions(flags: GuideFlags) -> None:
    if flags.variant == "original":
        for flag in ("use_gated_residual", "use_mlp_head", "gradient_scale"):
            if getattr(flags, flag) is not None:
                raise InputError(
                    f"--{flag}: belongs to --variant v2; the original has no residual, a linear head, scale 1"
                )
    if flags.use_ddp and flags.nproc_per_node is None:
        raise InputError("--use_ddp: say on how many GPUs, for example --nproc_per_node 4")
    if flags.nproc_per_node is not None and not flags.use_ddp:
        raise InputError("--nproc_per_node: takes effect with --use_ddp only; give both or neither")


def _of_flag(problem: Problem) -> Problem:
    """A fault of the made text, named after the flag that it comes from."""
    flag = _FLAGS.get(problem.key)
    if problem.source == SOURCE or flag is None:
        return problem
    return replace(problem, source=f"--{flag}", line=None)
