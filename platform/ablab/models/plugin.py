"""What an installed package offers as a model, and the check of what it built. See docs/adding_a_model.md."""

from __future__ import annotations

from itertools import chain
from typing import Any, Protocol

from ablab.errors import InputError
from ablab.models.decoder import Decoder
from ablab.spec import plugins
from ablab.spec.experiment import Improvements
from ablab.spec.model import ModelParams


class ModelPlugin(Protocol):
    """What an entry point of the group ``ablab.models`` names: mostly a module with these two names."""

    Params: type[ModelParams]
    """The keys of the spec's ``model`` block under this kind."""

    def build(self, params: Any, improvements: Improvements, n_chans: int, n_subjects: int) -> Decoder:
        """An initialised decoder; its weights are drawn from PyTorch's global generator."""
        ...


def build_installed(
    params: ModelParams, improvements: Improvements, n_chans: int, n_subjects: int
) -> Decoder:
    """The decoder of an installed kind; InputError where it is not what the other rooms rely on."""
    decoder = plugins.load(params.kind).build(params, improvements, n_chans, n_subjects)
    fault = _fault(decoder)
    if fault:
        raise InputError(f"model.kind: the plug-in {params.kind!r} ({plugins.package(params.kind)}) {fault}")
    assert isinstance(decoder, Decoder)
    return decoder


def _fault(decoder: object) -> str | None:
    if not isinstance(decoder, Decoder):
        return f"built a {type(decoder).__name__}, which is no ablab.models.decoder.Decoder"
    names = [name for name, _ in decoder.named_parameters()]
    if not names:
        return "built a decoder without parameters"
    groups = decoder.layer_groups()
    grouped = list(chain.from_iterable(groups.values()))
    wrong = sorted(set(grouped) ^ set(names)) or sorted({name for name in grouped if grouped.count(name) > 1})
    if wrong:
        return f"declares layer groups that do not hold every parameter once: {', '.join(wrong[:4])}"
    unknown = {decoder.front_group(), decoder.head_group(), *decoder.scaled_groups()} - groups.keys()
    if unknown:
        return f"names layer groups that there are not: {', '.join(sorted(unknown))}"
    stray = decoder.zero_gradient_parameters() - set(names)
    return f"names parameters that there are not: {', '.join(sorted(stray))}" if stray else None
