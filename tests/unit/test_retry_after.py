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
    ({"retry-after": "Monday, 02-Mar-26 15:02:00 GMT"}, 120.0),
    ({"retry-after": "Mon Mar  2 15:02:00 2026"}, 120.0),
    ({"x-ratelimit-reset": str(SOON * 1000)}, 90.0),
    ({"x-ratelimit-reset": "Mon, 02 Mar 2026 15:02:00 GMT"}, 120.0),
    ({"ratelimit": '"default";r=0;t=30'}, 30.0),
    ({"ratelimit": '"burst";r=0;t=2, "day";r=0;t=600'}, 600.0),
    ({"ratelimit": '"burst";r=0;t=2, "day";r=40;t=600'}, 2.0),
    ({"ratelimit": '"day"; t = 12'}, 12.0),
    ({"ratelimit": '"day";r=0;t=9;pk=:cHN=:'}, 9.0),
    ({"ratelimit": '"day";r=40;t=600'}, None),
    ({"ratelimit": '"day";r=40;t=600', "ratelimit-reset": "12"}, 12.0),
    ({"ratelimit": '"day";r=0;t=30', "x-ratelimit-reset": "9"}, 30.0),
    ({"retry-after": "3", "ratelimit": '"day";r=0;t=30'}, 3.0),
    ({"ratelimit": '"day";r=0;t=' + "9" * 5000}, CAP),
    ({"ratelimit": '"day";r=0;t=-1'}, None),
    ({"ratelimit": '"day";r=0;t=１２'}, None),
    ({}, None),
]

#: What only a broken or a hostile provider says.
HOSTILE = [
    ("Mon, 02 Mar 2020 15:00:00 GMT", 0.0),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", CAP),
    ("-1", 0.0),
    ("-99999999999999999999", 0.0),
    ("1e9", CAP),
    ("1000000000", CAP),
    ("1e999", CAP),
    ("+5", 5.0),
    ("0x10", None),
    ("1_0", None),
    ("NaN", None),
    ("inf", None),
    ("-Infinity", None),
    ("abc", None),
    ("", None),
    ("7 seconds", None),
    ("7,8", None),
    ("１２", None),
    ("٣", None),
    ("Mon, ０２ Mar 2026 15:02:00 GMT", None),
    ("Mon, 02 Mar 2026 15:02:00 +9999999999", None),
    ("\x00", None),
]


@pytest.mark.parametrize(("headers", "seconds"), FORMS)
def test_reads_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(("said", "seconds"), HOSTILE)
@pytest.mark.parametrize("name", ["retry-after", "x-ratelimit-reset", "ratelimit-reset"])
def test_whatever_else_is_said_stays_in_bounds_or_counts_as_nothing(
    name: str, said: str, seconds: float | None
) -> None:
    assert retry_after({name: said}, NOW) == seconds


def test_nobody_is_left_alone_for_longer_than_the_settings_say() -> None:
    assert retry_after({"retry-after": "3600"}, NOW, cap=600.0) == 600.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,12} \d\d:\d\d(:\d\d)? .{0,6}"))
def test_whatever_is_said_the_wait_is_bounded(words: str) -> None:
    for name in ("retry-after", "ratelimit"):
        seconds = retry_after({name: words}, NOW)
        assert seconds is None or 0.0 <= seconds <= CAP
