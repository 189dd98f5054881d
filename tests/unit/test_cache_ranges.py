"""Parts of an answer that is kept whole (RFC 9110, section 14)."""

from typing import Any

import pytest
from tests.caching import NOON, date, request, stored

from autonomous_healing.endpoint_healing.caching.ranges import MOST_RANGES, Part, is_excessive, wanted_part

BODY = b"0123456789"


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-1", (0, 2)),
        ("Bytes=0-1", (0, 2)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("bytes=9-9", (9, 10)),
        ("bytes=10-", Part.NONE),
        ("bytes=10-11", Part.NONE),
        ("bytes=-0", Part.NONE),
        ("bytes=3-2", Part.WHOLE),  # 14.1.1: not valid, so ignored
        ("bytes=", Part.WHOLE),
        ("bytes=a-b", Part.WHOLE),
        ("bytes= 0-1", Part.WHOLE),
        ("lines=0-1", Part.WHOLE),
        ("bytes=0-1,3-4", Part.WHOLE),  # 14.2: a server may ignore it
        ("bytes=" + "0-," * 1000 + "0-", Part.WHOLE),
        ("bytes=99999999999999999999-", Part.WHOLE),
    ],
)
def test_of_ten_bytes(wanted: str, part: Any) -> None:
    assert wanted_part(request(range=wanted), stored(body=BODY), NOON) == part


@pytest.mark.parametrize(
    ("said", "condition", "holds"),
    [
        ({"etag": '"a"'}, '"a"', True),
        ({"etag": '"a"'}, '"b"', False),
        ({"etag": 'W/"a"'}, 'W/"a"', False),  # 13.1.5: a weak one will not do
        ({"last_modified": date(-60)}, date(-60), True),
        ({"last_modified": date(-60)}, date(-59), False),
        ({}, date(), False),
        ({}, "x", False),
    ],
)
def test_a_part_only_of_the_answer_that_the_caller_holds(
    said: dict[str, Any], condition: str, holds: bool
) -> None:
    asked = request(range="bytes=0-1", if_range=condition)
    assert wanted_part(asked, stored(body=BODY, **said), NOON) == ((0, 2) if holds else Part.WHOLE)


@pytest.mark.parametrize("status", [203, 404, 301])
def test_no_parts_of_other_answers(status: int) -> None:
    assert wanted_part(request(range="bytes=0-1"), stored(status, BODY), NOON) is Part.WHOLE


def test_so_many_ranges_are_an_attack() -> None:
    assert not is_excessive(b"bytes=" + b",".join([b"0-"] * MOST_RANGES))
    assert is_excessive(b"bytes=" + b",".join([b"0-"] * (MOST_RANGES + 1)))
