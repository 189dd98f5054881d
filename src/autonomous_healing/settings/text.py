"""The configuration as YAML, every key with its sentence."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

HEAD = """\
# Configuration of autonomous_healing: every setting with its default, which code shares.
# Any key can be set by environment as HEALING__<SECTION>__<KEY>. Times are in seconds unless a name says
# otherwise. Secrets never stand here: keys are given as names of environment variables.
"""


def to_yaml(settings: BaseModel) -> str:
    """All settings, commented; reading it back gives the same settings."""
    return HEAD + "\n".join(_lines(settings, 0)) + "\n"


def _lines(model: BaseModel, depth: int) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        key, value = field.serialization_alias or name, getattr(model, name)
        indent = "  " * depth
        if depth == 0:
            yield ""
        if field.description:
            yield f"{indent}# {field.description}"
        yield from _entry(key, value, depth)


def _entry(key: str, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    match value:
        case BaseModel():
            yield f"{indent}{key}:"
            yield from _lines(value, depth + 1)
        case Mapping() if value and all(isinstance(one, BaseModel) for one in value.values()):
            yield f"{indent}{key}:"
            for name, one in value.items():
                yield from _entry(name, one, depth + 1)
        case tuple() if value and isinstance(value[0], BaseModel):
            yield f"{indent}{key}:"
            for one in value:
                yield f"{indent}  - {to_flow(one)}"
        case _:
            yield f"{indent}{key}: {json.dumps(_plain(value))}"


def to_flow(entry: BaseModel) -> str:
    """One entry of a list, on one line."""
    return json.dumps(entry.model_dump(mode="json", by_alias=True))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
