"""What a shared cache may keep (RFC 9111, sections 3 and 3.5), and what we would rather not."""

from typing import Any

import pytest
from tests.caching import date, facts, request

from autonomous_healing.endpoint_healing.caching.storing import NotStored, why_not_stored

FRESH = {"cache_control": "max-age=60"}
DATED = {"last_modified": date(-1000)}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, FRESH),
        (200, {"cache_control": "s-maxage=60"}),
        (200, {"expires": date(60)}),
        (200, {"cdn_cache_control": "max-age=60"}),
        (200, {"cache_control": "no-store", "cdn_cache_control": "max-age=60"}),  # RFC 9213, section 2.2
        (200, DATED),  # 4.2.2: guessed
        (200, {"etag": '"a"'}),  # of no time, but it can be confirmed
        (200, {"cache_control": "no-cache", "etag": '"a"'}),  # 5.2.2.4
        (200, {"cache_control": "max-age=0, stale-while-revalidate=60"}),
        (200, {"cache_control": "max-age=0, stale-if-error=60"}),
        (200, {**FRESH, "vary": "accept-language"}),
        (200, {**FRESH, "set_cookie": "a=b"}),  # 7.3
        (200, {"cache_control": 'private="x-user", max-age=60'}),
        (200, {"cache_control": "max-age=60, must-understand, no-store"}),  # 5.2.2.3
        (204, FRESH),
        (299, FRESH),
        (302, FRESH),
        (404, DATED),
        (404, FRESH),
        (503, FRESH),
        (599, FRESH),
        (599, {"cache_control": "public", **DATED}),
    ],
)
def test_may_be_kept(status: int, said: dict[str, Any]) -> None:
    assert why_not_stored(request(), facts(status, **said)) is None


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (200, {"cache_control": "no-store, max-age=60"}, NotStored.NO_STORE),  # 5.2.2.5
        (200, {"cache_control": "private, max-age=60"}, NotStored.PRIVATE),  # 5.2.2.7
        (200, {**FRESH, "cdn_cache_control": "private"}, NotStored.PRIVATE),
        (200, {**FRESH, "cdn_cache_control": "no-store"}, NotStored.NO_STORE),
        (200, {"cache_control": 'max-age=60, private="vary"'}, NotStored.PRIVATE),
        (200, {"cache_control": 'max-age=60, no-cache="content-type"'}, NotStored.PRIVATE),
        (200, {**FRESH, "vary": "*"}, NotStored.VARIES),  # 4.1
        (200, {**FRESH, "vary": ["a", "b, *"]}, NotStored.VARIES),
        (200, {**FRESH, "content_type": "text/event-stream"}, NotStored.ENDLESS),
        (200, {}, NotStored.NOT_REUSABLE),
        (200, {"cache_control": "max-age=0"}, NotStored.NOT_REUSABLE),
        (200, {"cache_control": "max-age=60", "age": "60"}, NotStored.NOT_REUSABLE),
        (206, FRESH, NotStored.STATUS),
        (304, FRESH, NotStored.STATUS),
        (299, {"etag": '"a"'}, NotStored.STATUS),  # 3: nothing is said, and nothing may be guessed
        (403, DATED, NotStored.STATUS),
        (503, DATED, NotStored.STATUS),
        (599, {"cache_control": "max-age=60, must-understand"}, NotStored.STATUS),
        (200, {"set_cookie": "a=b", **DATED}, NotStored.COOKIE),
    ],
)
def test_may_not_be_kept(status: int, said: dict[str, Any], why: NotStored) -> None:
    assert why_not_stored(request(), facts(status, **said)) is why


@pytest.mark.parametrize(
    ("asked", "said", "why"),
    [
        (request(method="POST"), FRESH, NotStored.METHOD),
        (request(method="HEAD"), FRESH, NotStored.METHOD),
        (request(cache_control="no-store"), FRESH, NotStored.NO_STORE),  # 5.2.1.5
        (request(authorization="x"), FRESH, NotStored.AUTHORISED),  # 3.5
        (request(authorization="x"), {"cache_control": "max-age=60, must-revalidate"}, NotStored.AUTHORISED),
        (request(authorization="x"), {"cache_control": "max-age=60, public"}, None),
        (request(authorization="x"), {"cache_control": "s-maxage=60"}, None),
        (request(cookie="a=b"), FRESH, None),
        (request(cookie="a=b"), DATED, NotStored.COOKIE),
    ],
)
def test_it_depends_on_the_request_too(asked: Any, said: dict[str, Any], why: NotStored | None) -> None:
    assert why_not_stored(asked, facts(**said)) is why


@pytest.mark.parametrize("said", [{}, {"cache_control": "max-age=0"}])
def test_what_may_stand_in_is_worth_keeping_although_it_is_never_fresh(said: dict[str, Any]) -> None:
    assert why_not_stored(request(), facts(**said), window=60.0) is None
