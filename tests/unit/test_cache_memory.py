"""Stored answers in memory: bounded, chosen by variant, and noticed when they rot."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.caching import pairs, received, request

from autonomous_healing.endpoint_healing.caching.memory import CHECKED_EVERY, MOST_VARIANTS, Memory
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer

MEGABYTE = 1_048_576


@dataclass
class Shelf:
    """A memory, and answers to put there."""

    memory: Memory = field(default_factory=lambda: Memory(10_000, 64 * MEGABYTE))

    def put(self, target: str = "/x", body: bytes = b"body", vary: str = "", **fields: str) -> StoredAnswer:
        asked = request(target, **fields)
        said: dict[str, Any] = {"vary": vary} if vary else {}
        answer = StoredAnswer("shop/", asked.key, asked.fields, received(body=body, **said))
        self.memory.put(answer)
        return answer

    def find(self, target: str = "/x", now: float = 0.0, **fields: str) -> StoredAnswer | None:
        asked = request(target, **fields)
        return self.memory.find(asked.key, asked.fields, now)


def test_gives_what_was_put_there_and_nothing_else() -> None:
    shelf = Shelf()
    kept = shelf.put("/a?b=1")
    assert shelf.find("/a?b=1") is kept
    assert shelf.find("/a?b=2") is None
    assert shelf.find("/a?b=1", authorization="x") is None


def test_a_newer_answer_takes_the_place_of_an_older() -> None:
    shelf = Shelf()
    shelf.put(body=b"old")
    new = shelf.put(body=b"new")
    assert (shelf.find(), len(shelf.memory), shelf.memory.bytes_held) == (new, 1, new.size)


def test_holds_one_answer_for_each_way_of_asking() -> None:
    shelf = Shelf()
    english, german = (shelf.put(vary="accept-language", accept_language=one) for one in ("en", "de"))
    assert shelf.find(accept_language="en") is english
    assert shelf.find(accept_language="de") is german
    assert shelf.find(accept_language="fr") is None
    assert shelf.find() is None
    assert shelf.memory.knows(request().key)


def test_finds_answers_of_a_source_that_has_begun_to_vary() -> None:
    shelf = Shelf()
    plain = shelf.put()
    coded = shelf.put(vary="accept-encoding", accept_encoding="gzip")
    assert shelf.find(accept_encoding="gzip") is coded
    assert shelf.find(accept_encoding="br") is plain


def test_the_least_recently_used_goes_first() -> None:
    shelf = Shelf(Memory(3, MEGABYTE))
    for target in ("/a", "/b", "/c"):
        shelf.put(target)
    shelf.find("/a")
    shelf.put("/d")
    assert [target for target in ("/a", "/b", "/c", "/d") if shelf.find(target)] == ["/a", "/c", "/d"]
    assert shelf.memory.counts.evicted == 1


def test_bytes_are_bounded_too() -> None:
    shelf = Shelf(Memory(10_000, 100_000))
    for number in range(20):
        shelf.put(f"/{number}", bytes(10_000))
        assert shelf.memory.bytes_held <= 100_000
    assert shelf.find("/19") is not None
    assert shelf.find("/0") is None


def test_a_source_cannot_fill_it_with_variants_of_one_answer() -> None:
    shelf = Shelf()
    for number in range(3 * MOST_VARIANTS):
        shelf.put(vary="x", x=str(number))
    assert len(shelf.memory) == MOST_VARIANTS


def test_a_rotten_answer_is_not_given_and_is_counted() -> None:
    shelf = Shelf()
    kept = shelf.put(body=b"a good answer")
    kept.body = b"a goop answer"
    assert shelf.find(now=CHECKED_EVERY) is kept  # not looked at each time: that would cost too much
    assert shelf.find(now=CHECKED_EVERY + 1) is None
    assert (shelf.memory.counts.corrupt, len(shelf.memory), shelf.memory.bytes_held) == (1, 0, 0)


def test_a_sound_answer_is_looked_at_and_given() -> None:
    shelf = Shelf()
    kept = shelf.put()
    assert [shelf.find(now=seconds) for seconds in (61.0, 62.0, 200.0)] == [kept] * 3
    assert kept.checked_at == 200.0


def test_forgets_all_answers_to_a_question_or_those_of_a_place() -> None:
    shelf = Shelf()
    for one in ("en", "de"):
        shelf.put(vary="accept-language", accept_language=one)
    shelf.put("/other")
    assert shelf.memory.forget_all(request().key) == 2
    assert shelf.memory.forget_all(request().key) == 0
    assert (shelf.find(accept_language="en"), len(shelf.memory)) == (None, 1)
    assert shelf.memory.forget_place("elsewhere/") == 0
    assert shelf.memory.forget_place("shop/") == 1
    assert (len(shelf.memory), shelf.memory.bytes_held) == (0, 0)


def test_forgets_exactly_the_one_that_is_meant() -> None:
    shelf = Shelf()
    old = shelf.put(body=b"old")
    new = shelf.put(body=b"new")
    shelf.memory.forget(old)
    assert shelf.find() is new


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "en", "de"]), st.integers(0, 3000))))
def test_what_is_counted_is_what_is_held(puts: list[tuple[str, str, int]]) -> None:
    shelf = Shelf(Memory(6, 20_000))
    for target, language, size in puts:
        vary = "accept-language" if language else ""
        shelf.put(f"/{target}", bytes(size), vary, accept_language=language)
        resources = [request(f"/{one}").key for one in "abcde"]
        held = [
            answer
            for resource in resources
            for language in ("", "en", "de")
            if (answer := shelf.memory.find(resource, pairs(accept_language=language), 0.0))
        ]
        assert shelf.memory.bytes_held == sum(answer.size for answer in set(held)) <= 20_000
        assert len(shelf.memory) == len(set(held)) <= 6


@pytest.mark.parametrize("status", [200, 204, 404])
def test_the_head_of_a_hit_is_made_once_a_second(status: int) -> None:
    asked = request()
    kept = StoredAnswer("shop/", asked.key, (), received(status, cache_control="max-age=10", etag='"a"'))
    first, second = kept.head(3.0), kept.head(3.9)
    assert first is second
    assert b"\r\nage: 3\r\ncache-status: autonomous_healing; hit; ttl=7\r\n" in first
    assert kept.head(4.0).endswith(b"\r\nage: 4\r\ncache-status: autonomous_healing; hit; ttl=6\r\n")
    assert kept.head(12.5, "max-stale").endswith(b"; hit; ttl=-3; detail=max-stale\r\n")
    assert first.count(b"content-length") == (0 if status == 204 else 1)
