"""Asking whether an answer still holds, and being asked (RFC 9111, sections 3.2 and 4.3)."""

from typing import Any

import pytest
from tests.caching import NOON, date, pairs, request, stored

from autonomous_healing.endpoint_healing.caching.validating import (
    conditions,
    confirms,
    describes,
    not_modified,
    not_modified_fields,
    updated,
)


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ({}, {}),
        ({"etag": '"a"'}, {"if_none_match": '"a"'}),
        ({"etag": 'W/"a"'}, {"if_none_match": 'W/"a"'}),
        ({"last_modified": date(-60)}, {"if_modified_since": date(-60)}),
        (
            {"etag": '"a"', "last_modified": date(-60)},
            {"if_none_match": '"a"', "if_modified_since": date(-60)},
        ),
        ({"last_modified": "some day"}, {}),
        ({"last_modified": [date(-60), date(-30)]}, {"if_modified_since": date(-60)}),
    ],
)
def test_it_asks_by_what_the_source_gave(said: dict[str, Any], asks: dict[str, str]) -> None:
    assert conditions(stored(**said)) == pairs(**asks)


@pytest.mark.parametrize(
    ("kept", "told", "same"),
    [
        ({"etag": '"a"'}, {}, True),
        ({"etag": '"a"'}, {"etag": '"a"'}, True),
        ({"etag": '"a"'}, {"etag": 'W/"a"'}, True),
        ({"etag": '"a"'}, {"etag": '"b"'}, False),  # 4.3.4: of another answer than ours
        ({"last_modified": date(-60)}, {"etag": '"b"'}, False),
        ({"last_modified": date(-60)}, {}, True),
    ],
)
def test_a_304_may_speak_of_another_answer(kept: dict[str, Any], told: dict[str, Any], same: bool) -> None:
    assert confirms(stored(**kept), pairs(**told)) is same


@pytest.mark.parametrize(
    ("told", "length", "same"),
    [
        ({}, None, True),
        ({}, 4, True),
        ({}, 5, False),
        ({"etag": '"a"'}, 4, True),
        ({"etag": '"b"'}, 4, False),
        ({"last_modified": date(-1)}, 4, False),
        ({"content_encoding": "gzip"}, 4, False),
    ],
)
def test_the_answer_to_a_head_may_be_that_of_the_stored_one(
    told: dict[str, Any], length: int | None, same: bool
) -> None:
    """RFC 9111, section 4.3.5."""
    assert describes(stored(etag='"a"'), pairs(**told), length) is same


def test_newer_fields_take_the_place_of_those_of_the_same_name_and_leave_the_body_s_own() -> None:
    kept = pairs(a="1", b="1", content_encoding="gzip", content_range="x", age="5", date="then")
    newer = pairs(b=["2", "3"], c="4", content_length="9", content_encoding="br", content_range="y")
    assert updated(kept, newer) == pairs(
        a="1", content_encoding="gzip", content_range="x", b=["2", "3"], c="4"
    )


@pytest.mark.parametrize(
    ("said", "asks", "holds"),
    [
        ({"etag": '"a"'}, {"if_none_match": '"a"'}, True),
        ({"etag": '"a"'}, {"if_none_match": '"b"'}, False),
        ({"etag": '"a"'}, {"if_none_match": '"x", "a", "y"'}, True),
        ({"etag": '"a"'}, {"if_none_match": ['"x"', '"a"']}, True),
        ({"etag": '"a"'}, {"if_none_match": '"x,"a""'}, False),
        ({"etag": '"a,b"'}, {"if_none_match": '"x", "a,b"'}, True),
        ({"etag": 'W/"a"'}, {"if_none_match": 'W/"a"'}, True),
        ({"etag": 'W/"a"'}, {"if_none_match": '"a"'}, True),  # RFC 9110, section 13.1.2: weakly compared
        ({"etag": '"a"'}, {"if_none_match": "*"}, True),
        ({"etag": '"a"'}, {"if_none_match": "a"}, False),
        ({}, {"if_none_match": '"a"'}, False),
        # 4.3.2: by date only where no entity-tag is asked for
        (
            {"etag": '"a"', "last_modified": date(-60)},
            {"if_none_match": '"b"', "if_modified_since": date()},
            False,
        ),
        ({"last_modified": date(-60)}, {"if_modified_since": date(-60)}, True),
        ({"last_modified": date(-60)}, {"if_modified_since": date(-59)}, True),
        ({"last_modified": date(-60)}, {"if_modified_since": date(-61)}, False),
        ({"last_modified": date(-60)}, {"if_modified_since": "some day"}, False),
        ({}, {"if_modified_since": date()}, True),  # by Date where there is no Last-Modified
        ({}, {"if_modified_since": date(-1)}, False),
        ({"etag": '"a"'}, {}, False),
    ],
)
def test_the_caller_may_hold_it_already(said: dict[str, Any], asks: dict[str, Any], holds: bool) -> None:
    assert not_modified(request(**asks), stored(**said), NOON) is holds


@pytest.mark.parametrize("status", [404, 503, 302])
def test_an_error_is_never_what_the_caller_holds(status: int) -> None:
    assert not not_modified(request(if_none_match="*"), stored(status, etag='"a"'), NOON)


def test_a_304_tells_what_a_caller_needs_to_go_on_with_its_own() -> None:
    """RFC 9110, section 15.4.5."""
    kept = stored(etag='"a"', vary="x", cache_control="max-age=1", content_type="t", set_cookie="a=b", x="y")
    names = {name for name, _ in not_modified_fields(kept)}
    assert names == {b"date", b"etag", b"vary", b"cache-control"}
