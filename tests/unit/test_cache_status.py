"""Cache-Status as another reader reads it (RFC 9211)."""

import http_sf
import pytest
from tests.caching import member

from autonomous_healing.endpoint_healing.caching.status import Forwarded, forwarded_status, hit_lines
from autonomous_healing.endpoint_healing.caching.storing import NotStored


def test_a_hit_has_its_age_and_the_time_that_is_left() -> None:
    age, status, end = hit_lines(7, 53).split(b"\r\n")
    assert (age, end) == (b"age: 7", b"")
    assert member(status.removeprefix(b"cache-status: ")) == {"hit": True, "ttl": 53}


def test_a_hit_that_is_over_says_why_it_was_given() -> None:
    _, status, _ = hit_lines(70, -10, "stale-while-revalidate").split(b"\r\n")
    found = member(status.removeprefix(b"cache-status: "))
    assert found == {"hit": True, "ttl": -10, "detail": http_sf.Token("stale-while-revalidate")}


@pytest.mark.parametrize("why", list(Forwarded))
def test_what_was_forwarded_says_why(why: Forwarded) -> None:
    assert member(forwarded_status(why)) == {"fwd": http_sf.Token(why)}


def test_and_what_came_of_it() -> None:
    said = forwarded_status(
        Forwarded.STALE, status=304, ttl=59.9, stored=True, collapsed=True, detail="some-reason"
    )
    assert member(said) == {
        "fwd": http_sf.Token("stale"),
        "fwd-status": 304,
        "ttl": 59,
        "stored": True,
        "collapsed": True,
        "detail": http_sf.Token("some-reason"),
    }
    assert member(forwarded_status(Forwarded.REQUEST, collapsed=False))["collapsed"] is False


@pytest.mark.parametrize("reason", list(NotStored))
def test_every_reason_can_be_told(reason: NotStored) -> None:
    assert member(forwarded_status(Forwarded.URI_MISS, detail=reason))["detail"] == http_sf.Token(reason)
