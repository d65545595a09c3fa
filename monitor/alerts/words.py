"""Closed records whose unknown keys are told with the nearest known one, at their own line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from extract.observation import Record


def suggest(name: object, known: Iterable[str]) -> str:
    """`did you mean 'x'? Known: …` for a word nobody knows."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower().replace("_", "-"), names, n=1, cutoff=0.5)
    return f"{f'did you mean {near[0]!r}? ' if near else ''}Known: {', '.join(names)}"


def refuse_unknown_keys(model: type[BaseModel], data: dict[Any, Any]) -> None:
    """Raises ValidationError, one entry a key, where a mapping has keys that the model has not."""
    known = set(model.model_fields)
    problems = [
        InitErrorDetails(
            type=PydanticCustomError(
                "unknown_key", "{said}", {"said": f"there is no key {str(key)!r}; {suggest(key, known)}"}
            ),
            loc=(str(key),), input=key,
        )
        for key in data if key not in known
    ]  # fmt: skip
    if problems:
        raise ValidationError.from_exception_data(model.__name__, problems)


class Closed(Record):
    """A record read from an operator's file."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            refuse_unknown_keys(cls, data)
        return data
