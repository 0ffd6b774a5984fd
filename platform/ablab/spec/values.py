"""What the blocks of a spec are made of: the base model, and the types of their fields."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ablab.paths import is_safe_name


class SpecModel(BaseModel):
    """Base of every block of a spec: frozen, strict, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _safe_name(value: Any) -> Any:
    if isinstance(value, str) and not is_safe_name(value):
        raise ValueError(
            "must be a plain name (letters, digits, '_', '.', '-', at most 128, not starting with '.' or '-')"
        )
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("names one twice")
    return values


Distinct = AfterValidator(_distinct)
"""A list that names nothing twice."""

AsTuple = BeforeValidator(_tuple)
"""YAML knows lists only; frozen values hold tuples."""

Name = Annotated[str, Field(min_length=1), BeforeValidator(_safe_name)]
"""A name that becomes a file or folder name."""

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
