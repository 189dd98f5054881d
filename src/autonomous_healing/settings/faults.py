"""What is wrong with a configuration, said so that a person can mend it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

#: Parts of a path whose value may be a secret and is not repeated.
SECRET_PARTS = frozenset({"keys", "dsn", "tokens"})

#: What pydantic says where a text stands in the place of a section or a list: it may be a misplaced key.
_MISPLACED = frozenset({"dict_type", "model_attributes_type", "model_type", "tuple_type"})

Path = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend: where, what is there, and what may be."""

    path: str  #: "healing.breaker.ratio"
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class BadSettings(ValueError):
    """A configuration that cannot be used; lists all its faults."""

    def __init__(self, origin: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{origin}: {len(self.faults)} to mend\n{lines}")


def unknown(what: str, name: str, known: Iterable[str], otherwise: str = "") -> str:
    """With the nearest known name, or with all of them and what else would do."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}{otherwise}"
    return f"unknown {what}; {hint}"


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Pydantic's findings with the allowed range and, for unknown keys, the nearest known one."""
    return [_fault(finding, model) for finding in error.errors(include_url=False)]


def _fault(finding: Any, model: type[BaseModel]) -> Fault:
    path: Path = finding["loc"]
    if finding["type"] == "extra_forbidden":
        return Fault(dotted(path), unknown("key", str(path[-1]), _known_keys(model, path[:-1])))
    field = _field_at(model, path)
    allowed = f" (allowed: {bounds})" if field and (bounds := range_of(field)) else ""
    return Fault(dotted(path), f"{_said(finding)}{_lowered(finding['msg'])}{allowed}")


def _said(finding: Any) -> str:
    """The value as it was given, unless it may be a secret or hold one."""
    value = finding["input"]
    hides = SECRET_PARTS.intersection(map(str, finding["loc"])) or isinstance(value, dict | list)
    if isinstance(value, str):
        hides = hides or finding["type"] in _MISPLACED or "@" in value  # of an address with a password
    return "" if hides else f"{value!r}: "


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path) or "(whole file)"


def _lowered(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def range_of(field: FieldInfo) -> str:
    """The bounds of a number: `> 0 and <= 1`; empty where there are none."""
    signs = []
    for rule in field.metadata:
        match rule:
            case annotated_types.Gt(gt=bound):
                signs.append(f"> {bound}")
            case annotated_types.Ge(ge=bound):
                signs.append(f">= {bound}")
            case annotated_types.Lt(lt=bound):
                signs.append(f"< {bound}")
            case annotated_types.Le(le=bound):
                signs.append(f"<= {bound}")
            case _:
                pass
    return " and ".join(signs)


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    inner = _model_at(model, path)
    return [field.serialization_alias or name for name, field in inner.model_fields.items()] if inner else []


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    for n, part in enumerate(path):
        field = model.model_fields.get(str(part))
        if field is None:
            return None
        inner = models_in(field.annotation)
        if not inner:
            return None
        model = inner[0]
        if _is_container(field.annotation):
            return _model_at(model, path[n + 2 :])
    return model


def _field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    inner = _model_at(model, path[:-1])
    return inner.model_fields.get(str(path[-1])) if inner and path else None


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a setting of this type holds, itself or as entries."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _is_container(annotation: Any) -> bool:
    return bool(get_args(annotation))
