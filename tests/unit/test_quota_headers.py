"""What the head of an answer says of limits, in all the forms in which providers say it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.quotas.headers import LONGEST, MOST, Told, is_telling, told_by

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

MINUTE, HOUR, DAY, MONTH = 60.0, 3600.0, 86_400.0, 2_678_400.0


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, []),
        ({"content-type": "application/json"}, []),
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "12", "x-ratelimit-reset": "30"},
            [Told(limit=60, remaining=12, resets_in=30.0)],
        ),
        ({"x-ratelimit-reset": "1772463630"}, [Told(resets_in=30.0)]),
        ({"x-ratelimit-reset": "1772463630000"}, [Told(resets_in=30.0)]),
        ({"x-ratelimit-reset": "Mon, 02 Mar 2026 15:01:00 GMT"}, [Told(resets_in=60.0)]),
        ({"x-rate-limit-limit": "60", "x-rate-limit-remaining": "0"}, [Told(limit=60, remaining=0)]),
        ({"ratelimit-limit": "60", "ratelimit-reset": "9"}, [Told(limit=60, resets_in=9.0)]),
        ({"x-ratelimit-requests-limit": "500"}, [Told(limit=500)]),
        (
            {
                "x-ratelimit-limit-minute": "5",
                "x-ratelimit-remaining-minute": "4",
                "x-ratelimit-limit-day": "500",
                "x-ratelimit-remaining-day": "499",
                "x-ratelimit-reset-month": "60",
            },
            [
                Told(seconds=MINUTE, limit=5, remaining=4),
                Told(seconds=DAY, limit=500, remaining=499),
                Told(seconds=MONTH, resets_in=60.0),
            ],
        ),
        (
            {"api-credits-used": "1", "api-credits-left": "7"},
            [Told(seconds=MINUTE, limit=8, remaining=7, used=1)],
        ),
        ({"api-credits-left": "7"}, [Told(seconds=MINUTE, remaining=7)]),
        ({"api-credits-used": "0", "api-credits-left": "0"}, [Told(seconds=MINUTE, remaining=0, used=0)]),
        ({"ratelimit": '"default";r=50;t=30'}, [Told(remaining=50, resets_in=30.0)]),
        (
            {"ratelimit-policy": '"m";q=50;w=60,"h";q=1000;w=3600', "ratelimit": '"m";r=3;t=7, "h";r=12'},
            [
                Told(seconds=MINUTE, limit=50, remaining=3, resets_in=7.0),
                Told(seconds=HOUR, limit=1000, remaining=12),
            ],
        ),
        ({"ratelimit-policy": '"a";q=7;w=10'}, [Told(seconds=10.0, limit=7)]),
        ({"ratelimit-policy": '"a, b;c";q=7;w=10;pk=:cHsdsRa894==:'}, [Told(seconds=10.0, limit=7)]),
        ({"ratelimit-policy": "burst;q=7;w=10"}, [Told(seconds=10.0, limit=7)]),
        ({"ratelimit-policy": '"b";q=65535;qu="content-bytes";w=10', "ratelimit": '"b";r=5'}, []),
        ({"ratelimit-policy": '"r";q=6;qu="requests";w=10'}, [Told(seconds=10.0, limit=6)]),
        (
            {"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=60"},
            [Told(seconds=MINUTE, limit=100, remaining=50, resets_in=5.0)],
        ),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "50"}, [Told(limit=100, remaining=50)]),
    ],
)
def test_says_what_each_provider_means(headers: Mapping[str, str], told: list[Told]) -> None:
    assert told_by(headers, NOW) == told


@pytest.mark.parametrize(
    "said",
    [
        "-5",
        "NaN",
        "inf",
        "1e9",
        "1.5",
        "１２",
        "٣",
        "0x10",
        "",
        " ",
        "a",
        "5 5",
        "99999999999999",
        "\x00",
        "5\n6",
    ],
)
def test_what_is_no_number_says_nothing(said: str) -> None:
    assert told_by({"x-ratelimit-limit": said, "x-ratelimit-remaining": said}, NOW) == []
    assert (
        told_by({"ratelimit-policy": f'"a";q={said};w={said}', "ratelimit": f'"a";r={said};t={said}'}, NOW)
        == []
    )
    assert told_by({"ratelimit": f"limit={said}, remaining={said}, reset={said}"}, NOW) == []


@pytest.mark.parametrize(
    ("said", "resets_in"),
    [
        ("-60", 0.0),
        ("0", 0.0),
        ("1e9", LONGEST),
        ("1772460000", 0.0),
        ("9999999999999999", LONGEST),
        ("abc", None),
    ],
)
def test_a_reset_lies_between_now_and_a_month(said: str, resets_in: float | None) -> None:
    told = told_by({"x-ratelimit-limit": "5", "x-ratelimit-reset": said}, NOW)
    assert told == [Told(limit=5, resets_in=resets_in)]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-ratelimit-limit": "999999999999"}, [Told(limit=MOST)]),
        ({"x-ratelimit-limit": "0"}, []),
        ({"x-ratelimit-remaining": "0"}, [Told(remaining=0)]),
        ({"ratelimit-policy": '"a";q=0;w=0'}, []),
        ({"ratelimit-policy": '"a";q=5;w=999999999'}, [Told(limit=5)]),
        ({"ratelimit": '"a";r=1,,"b";r=2'}, []),
        ({"ratelimit": '"a;r=1'}, []),
        ({"ratelimit": '"a";r=1 "b";r=2'}, []),
        ({"ratelimit": ",".join(f'"{n}";r={n}' for n in range(9))}, []),
        ({"ratelimit": '"a";r=5;' + " " * 2000}, []),
        ({"x-ratelimit-limit": "5;" + "w" * 1000}, [Told(limit=5)]),
        ({"x-ratelimit-limit": "5;" + "w" * 2000}, []),
    ],
)
def test_what_is_absurd_is_bounded_or_left_out(headers: Mapping[str, str], told: list[Told]) -> None:
    assert told_by(headers, NOW) == told


@pytest.mark.parametrize(
    "name",
    [
        "retry-after", "ratelimitpolicy", "x-ratelimit", "x-ratelimit-limit-week", "x-ratelimit-limit-day-x",
        "my-x-ratelimit-limit", "api-credits", "ratelimit-policy2", "",
    ],
)  # fmt: skip
def test_other_fields_say_nothing_of_limits(name: str) -> None:
    assert not is_telling(name)


NAMES = st.sampled_from(
    ("x-ratelimit-limit", "x-ratelimit-remaining-day", "x-ratelimit-reset", "ratelimit", "ratelimit-policy",
     "api-credits-used", "api-credits-left")
)  # fmt: skip
PIECES = st.sampled_from(
    ['"a"', ";", "q=", "w=", "r=", "t=", "1", "60", ",", " ", "=", "limit", "-", "e9", "pk=:=:", '"']
)


@given(st.dictionaries(NAMES, st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=20).map("".join))))
def test_nothing_that_is_said_is_more_than_can_be(headers: Mapping[str, str]) -> None:
    for told in told_by(headers, NOW):
        assert told.limit is None or 1 <= told.limit <= 2 * MOST
        assert told.remaining is None or 0 <= told.remaining <= MOST
        assert told.resets_in is None or 0 <= told.resets_in <= LONGEST
        assert told.seconds is None or 0 < told.seconds <= LONGEST
