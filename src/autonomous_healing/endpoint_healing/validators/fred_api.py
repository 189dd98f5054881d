"""What a good answer of FRED looks like, and how it says that something is wrong."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, CALLER_ERROR, MISSING
from autonomous_healing.endpoint_healing.records import Description, Series
from autonomous_healing.endpoint_healing.validators.reading import (
    invalid,
    iso_date,
    mapping,
    missing,
    named,
    number,
    rows,
)


def rule(status: int, document: Any) -> Finding | None:
    """A missing or unregistered key is a 400 that names the variable `api_key`; 423 is a locked key."""
    if status == 423:
        return Finding(AUTH_REJECTED, "key is locked")
    if not isinstance(document, dict):
        return None
    code = document.get("error_code", document.get("code"))
    if code is None:
        return None
    words = str(document.get("error_message", document.get("message", "")))
    if status == 400 and "api_key" in words:
        return Finding(AUTH_REJECTED, "key refused")
    if status in (400, 404):
        return Finding(CALLER_ERROR, words)
    return Finding(MISSING, f"error {code} instead of data") if status < 400 else None


def observations(document: Any, params: Mapping[str, str]) -> Series:
    """`observations[]` of `{date, value}`; "." stands for no value, but not for all of them."""
    found = rows(mapping(document, "document").get("observations"), "observations")
    values = tuple(_observation(row) for row in found)
    if all(value is None for _, value in values):
        raise missing("value")
    return Series(id=params.get("series_id", ""), observations=values, published=_published(document))


def series(document: Any, params: Mapping[str, str]) -> Description:
    """`seriess[]` of descriptions, the first with its id."""
    first = mapping(rows(mapping(document, "document").get("seriess"), "seriess")[0], "series")
    if not isinstance(first.get("id"), str):
        raise invalid("a series without an id")
    updated = first.get("last_updated")
    return Description(
        id=named(first["id"], params.get("series_id"), "series"),
        published=_published(document),
        updated=None if updated is None else iso_date(updated, "last_updated"),
    )


def _published(document: Mapping[str, Any]) -> date | None:
    said = document.get("realtime_end")
    return None if said is None else iso_date(said, "realtime_end")


def _observation(row: Any) -> tuple[date, float | None]:
    cells = mapping(row, "observation")
    value = cells.get("value")
    if not isinstance(value, str):
        raise invalid("value is not text") if value is not None else missing("value")
    return iso_date(cells.get("date"), "date"), None if value == "." else number(value, "value", text=True)


SHAPES: Mapping[str, Callable[[Any, Mapping[str, str]], Series | Description]] = {
    "/observations": observations,
    "/series": series,
}
