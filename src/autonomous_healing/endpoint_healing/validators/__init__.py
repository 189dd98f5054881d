"""Judging answers by their shape. One rule and one set of shapes per provider; wording only refines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import UNPARSABLE
from autonomous_healing.endpoint_healing.records import Record
from autonomous_healing.endpoint_healing.validators import (
    alpha_vantage,
    exchange_rate_api,
    fred_api,
    polygon_io,
    yahoo_finance,
)
from autonomous_healing.endpoint_healing.validators.reading import Wrong

Shape = Callable[[Any, Mapping[str, str]], Record | None]


@dataclass(frozen=True, slots=True)
class Validator:
    """How one provider's answers are read."""

    rule: Callable[[int, Any], Finding | None]
    shapes: Mapping[str, Shape]


VALIDATORS: Mapping[str, Validator] = {
    "yahoo_finance": Validator(yahoo_finance.rule, yahoo_finance.SHAPES),
    "fred_api": Validator(fred_api.rule, fred_api.SHAPES),
    "polygon_io": Validator(polygon_io.rule, polygon_io.SHAPES),
    "alpha_vantage": Validator(alpha_vantage.rule, alpha_vantage.SHAPES),
    "exchange_rate_api": Validator(exchange_rate_api.rule, exchange_rate_api.SHAPES),
}


def read_answer(
    source: str, endpoint: str, status: int, body: bytes, params: Mapping[str, str]
) -> Finding | Record | None:
    """What is wrong with an answer, or what it says; None where there is no more to tell than the status."""
    validator = VALIDATORS.get(source)
    if validator is None:  # passed through: nobody knows what its answers should look like
        return None
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        document, unread = None, str(broken)
    else:
        unread = ""
    if found := validator.rule(status, document):
        return found
    if status >= 400:
        return None
    if unread:
        return Finding(UNPARSABLE, f"not JSON: {unread[:120]}" if body else "empty body")
    try:
        return validator.shapes[endpoint](document, params)
    except Wrong as wrong:
        return wrong.finding
