"""Keeping, confirming, recalling and forgetting, in memory and in the layer behind it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.caching import NOON, received, request
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.caching.requests import CacheRequest, resource_key
from autonomous_healing.endpoint_healing.caching.reuse import EXPIRED, FRESH, Windows, decide
from autonomous_healing.endpoint_healing.caching.rows import CacheRow, answer_in
from autonomous_healing.endpoint_healing.caching.shared import Bounds, Found, SharedCache
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.endpoint_healing.caching.storing import NotStored
from autonomous_healing.wire.message import Fields

MINUTE: dict[str, Any] = {"cache_control": "max-age=60"}


@dataclass
class Shelf:
    """A layer behind the memory that remembers what it was told."""

    rows: dict[bytes, CacheRow] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)

    def look(self, resource: bytes, request: Fields, found: Found) -> None:
        found(self.rows.get(resource))

    def put(self, row: CacheRow) -> None:
        self.rows[row.key] = row

    def remove(self, resource: bytes) -> None:
        self.removed.append(resource)
        self.rows = {key: row for key, row in self.rows.items() if row.resource != resource}


@dataclass
class Home:
    """A cache at noon."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime.fromtimestamp(NOON, UTC)))
    shelf: Shelf = field(default_factory=Shelf)
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        self.cache = SharedCache(self.bounds, self.clock, self.shelf)

    def keep(
        self, asked: CacheRequest | None = None, body: bytes = b"body", took: float = 0.0, **said: Any
    ) -> StoredAnswer | NotStored:
        came = received(body=body, at=self.clock.monotonic(), took=took, **{**MINUTE, **said})
        return self.cache.keep("shop/", asked or request(), came)

    def kept(self, asked: CacheRequest | None = None, **how: Any) -> StoredAnswer:
        kept = self.keep(asked, **how)
        assert isinstance(kept, StoredAnswer)
        return kept


def test_what_is_kept_is_found_in_memory_and_behind_it() -> None:
    home = Home()
    kept = home.kept(etag='"a"')
    assert home.cache.find(request()) is kept
    [row] = home.shelf.rows.values()
    assert (row.key, row.resource, row.source, row.endpoint, row.status) == (
        kept.key,
        kept.resource,
        "shop",
        "/",
        200,
    )
    assert (row.body, row.etag, row.hits) == (b"body", '"a"', 0)
    noon = datetime.fromtimestamp(NOON, UTC)
    assert (row.stored_at, row.fresh_until) == (noon, noon + timedelta(seconds=60))
    assert row.stale_until == noon + timedelta(seconds=60, days=1)


def test_what_was_kept_is_as_old_after_a_restart_as_it_would_have_been() -> None:
    home = Home()
    home.clock.pass_time(5.0)
    home.kept(age="10", took=2.0)
    [row] = home.shelf.rows.values()
    home.clock.pass_time(8.0)
    later = home.clock.monotonic()
    after = Home(clock=ManualClock(home.clock.now()))
    recalled = after.cache.recall(request(), row)
    assert recalled is not None
    known = home.cache.find(request())
    assert known is not None
    assert recalled.age(0.0) == pytest.approx(known.age(later)) == pytest.approx(20.0)
    assert (recalled.status, recalled.fields, recalled.body) == (known.status, known.fields, known.body)
    assert decide(recalled, 39.9, request().wishes) is FRESH
    assert decide(recalled, 40.1, request().wishes) is EXPIRED


def test_a_variant_is_recalled_for_those_who_ask_for_it() -> None:
    home = Home()
    german = request(accept_language="de")
    home.kept(german, vary="accept-language")
    [row] = home.shelf.rows.values()
    assert row.varies == ("accept-language",)
    after = Home()
    assert after.cache.recall(german, row) is not None
    assert after.cache.find(german) is not None
    assert after.cache.find(request(accept_language="en")) is None


def test_an_answer_from_the_future_is_over() -> None:
    """The clock was put back: nobody knows how old it is."""
    home = Home()
    home.kept()
    [row] = home.shelf.rows.values()
    an_hour_ago = row.stored_at - timedelta(hours=1)
    assert decide(answer_in(row, an_hour_ago, 0.0), 0.0, request().wishes) is EXPIRED


def test_a_row_that_would_break_a_head_is_no_answer() -> None:
    home = Home()
    home.kept()
    [row] = home.shelf.rows.values()
    bad = replace(row, headers=(*row.headers, ("x", "a\r\nset-cookie: b")))
    assert Home().cache.recall(request(), bad) is None


def test_what_came_meanwhile_is_newer_than_what_is_recalled() -> None:
    home = Home()
    home.kept(body=b"old")
    [row] = home.shelf.rows.values()
    new = home.kept(body=b"new")
    assert home.cache.recall(request(), row) is new


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (request(authorization="x"), {"cache_control": "max-age=60, public"}),
        (request(cookie="a=b"), {}),
        (request(), {"set_cookie": "a=b"}),
        (request("/x?api_key=5"), {}),
        (request("/x?a=b&X-API-Key=5"), {}),
        (request("/x?acc%65ss_token=5"), {}),
    ],
)
def test_what_may_touch_somebody_never_lies_on_disk(asked: CacheRequest, said: dict[str, Any]) -> None:
    home = Home()
    kept = home.kept(asked, **said)
    assert home.cache.find(asked) is kept
    assert home.shelf.rows == {}


def test_no_key_holds_what_was_asked_for() -> None:
    asked = request("/x?api_key=canary", authorization="canary")
    assert b"canary" not in asked.key
    assert b"canary" not in asked.common_key


def test_callers_with_credentials_have_answers_of_their_own() -> None:
    home = Home()
    home.kept()
    asked = request(authorization="x")
    assert home.cache.find(asked) is None
    assert home.keep(asked) is NotStored.AUTHORISED


@pytest.mark.parametrize("said", ["public, max-age=60", "s-maxage=60"])
def test_what_is_for_everybody_everybody_gets(said: str) -> None:
    home = Home()
    home.kept(request(authorization="x"), cache_control=said)
    assert home.cache.find(request(authorization="y")) is not None
    assert home.cache.find(request()) is not None


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    home = Home(bounds=Bounds(body_bytes=10))
    assert home.keep(body=bytes(10)) is not NotStored.TOO_LARGE
    assert home.keep(body=bytes(11)) is NotStored.TOO_LARGE


def test_no_answer_may_drive_out_all_others() -> None:
    assert Bounds(total_bytes=1000, body_bytes=1000).longest_body == 250


def test_one_that_is_confirmed_is_young_again_and_says_what_is_new() -> None:
    home = Home()
    kept = home.kept(etag='"a"', x="old", y="kept")
    home.clock.pass_time(100.0)
    said = received(
        304,
        b"",
        at=home.clock.monotonic(),
        cache_control="max-age=600",
        x="new",
        content_length="9",
    )
    home.cache.confirm(request(), kept, replace(said, date=NOON + 100.0))
    assert (kept.age(100.0), kept.lifetime, kept.body, kept.status) == (100.0, 600.0, b"body", 200)
    names = dict(kept.fields)
    assert (names[b"x"], names[b"y"], b"content-length" in names) == (b"new", b"kept", False)
    assert home.cache.counts.revalidated == 1
    [row] = home.shelf.rows.values()
    assert ("x", "new") in row.headers
    assert home.cache.memory.bytes_held == kept.size


@pytest.mark.parametrize("said", [{"cache_control": "no-store"}, {"cache_control": "private"}, {"vary": "b"}])
def test_one_that_is_confirmed_and_forbidden_is_kept_no_more(said: dict[str, Any]) -> None:
    home = Home()
    kept = home.kept(etag='"a"', vary="a")
    home.cache.confirm(request(), kept, received(304, b"", **said))
    assert home.cache.find(request()) is None
    assert (len(home.cache.memory), home.shelf.rows) == (0, {})


def test_a_confirmation_to_a_head_holds_for_the_answer_to_a_get() -> None:
    home = Home()
    kept = home.kept(etag='"a"')
    home.cache.confirm(request(method="HEAD"), kept, received(304, b"", **MINUTE))
    assert home.cache.find(request()) is kept


def test_what_has_changed_is_forgotten_everywhere() -> None:
    home = Home()
    home.kept()
    home.cache.forget(request().key)
    assert home.cache.find(request()) is None
    assert (home.shelf.rows, home.cache.counts.invalidated) == ({}, 1)


def test_an_answer_that_a_change_has_overtaken_is_not_kept() -> None:
    home = Home()
    home.clock.pass_time(10.0)
    home.cache.forget(request().key)
    home.clock.pass_time(1.0)
    assert home.keep(took=1.5) is NotStored.OUTDATED
    assert home.keep(took=1.0) is NotStored.OUTDATED  # at the same moment: nobody knows
    assert home.keep(took=0.9) is not NotStored.OUTDATED


def test_a_wider_window_keeps_more() -> None:
    home = Home()
    came = received(cache_control="max-age=0")
    assert home.cache.keep("shop/", request(), came) is NotStored.NOT_REUSABLE
    assert isinstance(home.cache.keep("shop/", request(), came, Windows(if_error=60.0)), StoredAnswer)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"bodx"},
        {"status": 404},
        {"headers": (("x", "y"),)},
        {"fresh_until": datetime(2030, 1, 1, tzinfo=UTC)},
        {"stored_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"varies": ("a",)},
        {"etag": '"b"'},
        {"resource": bytes(32)},
        {"source": "other"},
        {"as_of": datetime(2030, 1, 1, tzinfo=UTC)},
    ],
)
def test_no_change_of_a_row_goes_unnoticed(change: dict[str, Any]) -> None:
    home = Home()
    home.kept()
    [row] = home.shelf.rows.values()
    assert replace(row, **change).checksum != row.checksum
    assert replace(row, hits=5).checksum == row.checksum


def test_parts_of_a_key_cannot_be_taken_for_each_other() -> None:
    keys = [
        resource_key("ab", b"/c", authorised=False),
        resource_key("a", b"b/c", authorised=False),
        resource_key("ab", b"/c", authorised=True),
        resource_key("ab", b"with credentials/c", authorised=False),
    ]
    assert len(set(keys)) == 4
