"""When an upstream says it will be ready again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.retry_after import CAP, retry_after

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SOON = int(NOW.timestamp()) + 90

FORMS = [
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": " 7 "}, 7.0),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "Mon, 02 Mar 2026 15:02:00 GMT"}, 120.0),
    ({"retry-after": "Mon, 02 Mar 2026 15:02:00"}, 120.0),
    ({"retry-after": "Mon, 02 Mar 2026 16:02:00 +0100"}, 120.0),
    ({"retry-after": "Mon, 02 Mar 2026 14:00:00 GMT"}, 0.0),
    ({"retry-after": str(SOON)}, 90.0),
    ({"retry-after": str(SOON * 1000)}, 90.0),
    ({"x-ratelimit-reset": "30"}, 30.0),
    ({"x-ratelimit-reset": str(SOON)}, 90.0),
    ({"ratelimit-reset": "12"}, 12.0),
    ({"retry-after": "5", "x-ratelimit-reset": "30"}, 5.0),
    ({"retry-after": "soon", "x-ratelimit-reset": "30"}, 30.0),
    ({"retry-after": "999999"}, CAP),
    ({"retry-after": "9" * 400}, CAP),
    ({"retry-after": str(SOON - 1000)}, 0.0),
    ({"retry-after": "-3"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "٣"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), FORMS)
def test_reads_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,12} \d\d:\d\d(:\d\d)? .{0,6}"))
def test_whatever_is_said_the_wait_is_bounded(words: str) -> None:
    seconds = retry_after({"retry-after": words}, NOW)
    assert seconds is None or 0.0 <= seconds <= CAP
