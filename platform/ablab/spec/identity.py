"""Identity is content: a trial's key is a hash of what was declared, never of a name, a time or a path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any

from ablab.spec.experiment import Experiment, Level, SpecModel

NOT_IDENTITY = frozenset(
    {
        "name",
        "notes",
        "dataset.path",
        "dataset.accept_leakage",
        "dataset.residency",
        "training.checkpoint_minutes",
    }
)
"""Names and notes are for people; the data fingerprint stands for the path; a reason is not a setting; how
often a trial's state is saved, and where its windows lie, changes nothing in what is trained."""

ADDED: Mapping[str, Level] = MappingProxyType(
    {
        "training.processes": 1,
        "training.layer_rates.front": 1.0,
        "training.layer_rates.rear": 1.0,
        "training.layer_rates.head": 1.0,
        "training.layer_rates.stack": 1.0,
        "training.early_stopping": None,
        "training.compile": False,
        "evaluation.protocols": (),
        "dataset.shuffle_eeg": None,
    }
)
"""Keys added after the first version -> their default at introduction. Left out of the hash while they have
it, so that a new field leaves the keys of finished trials as they are."""


def trial_key(experiment: Experiment, data_fingerprint: str, seed: int) -> str:
    """32 hex digits that name this experiment on these data under this seed."""
    return digest({"experiment": content(experiment), "data": data_fingerprint, "seed": seed})[:32]


def content(experiment: Experiment) -> dict[str, Level]:
    """What of an experiment is identity: dotted key -> value."""
    return {
        key: value
        for key, value in flatten(experiment).items()
        if key not in NOT_IDENTITY and not (key in ADDED and value == ADDED[key])
    }


def flatten(model: SpecModel) -> dict[str, Level]:
    """Dotted key -> value, in the order of the model's fields; tuples stay whole.

    >>> flatten(Experiment(name="a"))["training.betas"]
    (0.9, 0.98)
    """
    flat: dict[str, Level] = {}
    _flatten(model, "", flat)
    return flat


def digest(value: Any) -> str:
    """SHA-256 of the value as canonical JSON: sorted keys, no spaces, -0.0 as 0.0; NaN is refused.

    >>> digest({"a": 1, "b": (2.0,)}) == digest({"b": [2.0], "a": 1})
    True
    """
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    # Adding 0.0 turns -0.0, which json writes with its sign, into 0.0 and changes no other number.
    return value + 0.0 if isinstance(value, float) else value


_LEAVES = frozenset({str, int, float, bool, NoneType, tuple})
"""Types that are not looked into; asking for them first keeps plans of ten thousand cells short."""


def _flatten(value: Mapping[str, Any] | SpecModel, prefix: str, flat: dict[str, Level]) -> None:
    if isinstance(value, SpecModel):
        held = value.__dict__
        value = {name: held[name] for name in type(value).model_fields} | (value.model_extra or {})
    for name, entry in value.items():
        key = f"{prefix}.{name}" if prefix else name
        if type(entry) not in _LEAVES and isinstance(entry, SpecModel | Mapping):
            _flatten(entry, key, flat)
        else:
            flat[key] = entry
