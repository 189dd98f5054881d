"""How values are written where they leave: units, digits and times (spec: README, section 6)."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any

from pydantic import PlainSerializer, TypeAdapter

from autonomous_healing.endpoint_healing.trail import iso


def _digits(places: int) -> PlainSerializer:
    return PlainSerializer(lambda value: round(value, places), return_type=float)


Rate = Annotated[float, _digits(4)]  #: 0..1
Percent = Annotated[float, _digits(2)]  #: 0..100
Seconds = Annotated[float, _digits(3)]
Moment = Annotated[datetime, PlainSerializer(iso, return_type=str)]


@cache
def _writer(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(view: object) -> dict[str, Any]:
    """A view as its JSON document; what nobody measured is null."""
    kind: Any = type(view)
    document: dict[str, Any] = _writer(kind).dump_python(view, mode="json")
    return document
