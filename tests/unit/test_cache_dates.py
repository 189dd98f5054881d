"""Dates of HTTP: three forms, letters in any case, and nothing else (RFC 9110, section 5.6.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.caching import NOON

from autonomous_healing.endpoint_healing.caching.dates import read_date, write_date

THEN = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, of the specification


@pytest.mark.parametrize(
    "field",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"SUN, 06 NOV 1994 08:49:37 GMT",
    ],
)
def test_reads(field: bytes) -> None:
    assert read_date(field, NOON) == THEN


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"0",
        b"-1",
        b"784111777",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 AEST",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun,  06 Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 06 Nov 1994 08:61:37 GMT",
        b"Xyz, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun Nov 06x08:49:37 1994",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT".encode(),
    ],
)
def test_is_no_date(field: bytes) -> None:
    assert read_date(field, NOON) is None


def test_a_leap_second_is_the_one_before_it() -> None:
    assert read_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOON) == read_date(
        b"Sat, 31 Dec 2016 23:59:59 GMT", NOON
    )


def test_two_digits_are_never_more_than_fifty_years_ahead() -> None:
    assert read_date(b"Friday, 20-Nov-76 12:00:00 GMT", NOON) == read_date(
        b"Fri, 20 Nov 2076 12:00:00 GMT", NOON
    )
    assert read_date(b"Sunday, 20-Nov-77 12:00:00 GMT", NOON) == read_date(
        b"Sun, 20 Nov 1977 12:00:00 GMT", NOON
    )


@given(st.integers(0, 4_102_444_800))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert read_date(write_date(seconds), NOON) == seconds


@given(st.binary(max_size=60))
def test_no_bytes_break_it(field: bytes) -> None:
    moment = read_date(field, NOON)
    assert moment is None or isinstance(moment, float | int)
