"""The decoder as values: the built-in Conformer's keys, and the door for the kinds of installed packages."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ablab.spec import plugins
from ablab.spec.values import Count, Probability, SpecModel


class ModelParams(SpecModel):
    """Base of every kind of model: the built-in one, and the ``Params`` of a plug-in (``spec.plugins``)."""

    kind: str
    supports: ClassVar[frozenset[str]] = frozenset()
    """Keys of `Improvements` that this kind builds; any other must have its default."""


class Conformer(ModelParams):
    """The decoder: convolutional front end, channel attention, subject embedding, Conformer stack."""

    kind: Literal["conformer"] = "conformer"
    supports: ClassVar[frozenset[str]] = frozenset(
        {"residual", "mlp_head", "gradient_scale", "gradient_scale_position"}
    )
    d_model: Count = 256
    d_inner: Count = 1024
    """Width of the feed-forward modules."""
    n_heads: Count = 4
    n_layers: Annotated[int, Field(ge=0)] = 8
    """Conformer blocks; 0 leaves front end and head alone."""
    conv_kernel_size: Count = 31
    """Depthwise kernel of the convolution module, samples; odd."""
    drop_prob: Probability = 0.3
    front_end: Literal["cnn", "linear"] = "cnn"
    squeeze_excitation: bool = True
    subject_conditioning: bool = True
    relative_positions: bool = True
    sinusoidal_positions: bool = True
    macaron: bool = True
    """Two half-step feed-forward modules per block; false leaves one, behind the convolution."""

    @model_validator(mode="after")
    def _consistent(self) -> Conformer:
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model: {self.d_model} is not divisible by n_heads {self.n_heads}")
        if self.conv_kernel_size % 2 == 0:
            raise ValueError(
                f"conv_kernel_size: {self.conv_kernel_size} is even; same padding needs an odd one"
            )
        return self


class RecordedModel(ModelParams):
    """Model block of a finished run whose plug-in is gone or takes other keys now: to be read, not built."""

    model_config = ConfigDict(extra="allow")
    supports: ClassVar[frozenset[str]] = Conformer.supports


RECORDED = {"recorded": True}
"""Validation context in which a model block that can no longer be checked becomes a `RecordedModel`."""


def _params(value: Any, info: ValidationInfo) -> Any:
    """The block as values of the kind that it names; what is wrong in them is located within it."""
    try:
        return _of_kind(value)
    except (PydanticCustomError, ValidationError):
        if info.context != RECORDED or not isinstance(value, dict) or value.get("kind") == "conformer":
            raise
        return RecordedModel(**value)


def _of_kind(value: Any) -> Any:
    if isinstance(value, ModelParams):
        return value
    kind = value.get("kind", "conformer") if isinstance(value, dict) else "conformer"
    if kind == "conformer" or not isinstance(kind, str):
        return Conformer.model_validate(value)
    try:
        params = plugins.load(kind).params
    except KeyError:
        known = ", ".join(f"'{name}'" for name in ("conformer", *plugins.installed()))
        raise PydanticCustomError("unknown_kind", "{expected}", {"expected": known}) from None
    except plugins.BrokenPluginError as error:
        raise PydanticCustomError("broken_kind", "{fault}", {"fault": str(error)}) from error
    return params.model_validate(value)


Model = Annotated[SerializeAsAny[ModelParams], BeforeValidator(_params, json_schema_input_type=Conformer)]
