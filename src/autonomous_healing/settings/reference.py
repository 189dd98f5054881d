"""Every setting as a page of the documents: key, default, what may be, and what it means."""

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from autonomous_healing.settings.faults import models_in, range_of

HEAD = """\
# Settings

Every setting of `config/healing_config.yaml`, with its default and what may be set. Times are in seconds
unless a name says otherwise. Any of them can be set by environment as `HEALING__<SECTION>__<KEY>`, with two
underscores between levels, and lists and mappings as JSON. `<name>` stands for a key of your own, `[]` for
each entry of a list; what each source has by default stands in the file.

`autonomous-healing config check` says what is wrong with a file, `config show` what is in force.
This page is made by `autonomous-healing config reference`.
"""


def to_markdown(settings: BaseModel) -> str:
    """A chapter for each section, a row for each setting."""
    fields = type(settings).model_fields
    return HEAD + "".join(_chapter(name, field, getattr(settings, name)) for name, field in fields.items())


def _chapter(name: str, field: FieldInfo, value: Any) -> str:
    lines = [
        f"\n## {name}\n",
        f"{field.description}\n",
        "| key | default | may be | means |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *_below("", field, value)]) + "\n"


def _below(path: str, field: FieldInfo, value: Any) -> Iterator[str]:
    """The rows of the settings inside of this one."""
    [model, *_] = models_in(field.annotation)
    origin = get_origin(field.annotation)
    if origin is not None:
        path, value = f"{path}<name>." if origin is dict else f"{path.removesuffix('.')}[].", None
    for name, one in model.model_fields.items():
        key = path + (one.serialization_alias or name)
        default = _default(one) if value is None else getattr(value, name)
        if models_in(one.annotation):
            yield f"| `{key}` | | | {one.description} |"
            yield from _below(f"{key}.", one, default)
        else:
            yield f"| `{key}` | {_shown(default)} | {_allowed(one)} | {one.description} |"


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def _allowed(field: FieldInfo) -> str:
    if words := _words(field.annotation):
        return ", ".join(words)
    return range_of(field)


def _words(annotation: Any) -> list[str]:
    """The only values that may be, where they are listed."""
    if get_origin(annotation) is Literal:
        return [f"`{word}`" for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [f"`{member.value}`" for member in annotation]
    return [word for part in get_args(annotation) for word in _words(part)]
