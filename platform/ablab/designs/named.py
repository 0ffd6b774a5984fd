"""Cells that are whole experiments with a name each, rather than combinations of levels."""

from __future__ import annotations

from collections.abc import Mapping

from ablab.spec.experiment import Experiment, Level
from ablab.spec.identity import NOT_IDENTITY, flatten


def named_factors(experiments: Mapping[str, Experiment]) -> dict[str, dict[str, Level]]:
    """Cell name -> its values of the keys in which the experiments differ; what is not identity is left out.

    A key that one experiment does not have (another kind of loss, say) is None there.

    >>> from ablab.spec.experiment import Improvements
    >>> a = Experiment(name="a")
    >>> named_factors({"a": a, "b": a.model_copy(update={"improvements": Improvements(mlp_head=True)})})
    {'a': {'improvements.mlp_head': False}, 'b': {'improvements.mlp_head': True}}
    """
    flat = {name: flatten(experiment) for name, experiment in experiments.items()}
    keys = dict.fromkeys(key for values in flat.values() for key in values if key not in NOT_IDENTITY)
    differing = [key for key in keys if len({repr(values.get(key)) for values in flat.values()}) > 1]
    return {name: {key: values.get(key) for key in differing} for name, values in flat.items()}
