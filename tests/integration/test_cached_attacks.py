"""What one caller sends must not become what others get, nor burn what a source allows."""

from typing import Any

import http_sf
import pytest
from tests.shops import cached_shop, status
from tests.wire_origins import Asked, answer, on_uvloop

from autonomous_healing.endpoint_healing.caching.forcing import MOST
from autonomous_healing.endpoint_healing.caching.memory import CHECKED_EVERY
from autonomous_healing.endpoint_healing.caching.ranges import MOST_RANGES
from autonomous_healing.endpoint_healing.caching.requests import resource_key

TOKEN = http_sf.Token


@on_uvloop
async def test_what_one_login_got_no_other_gets() -> None:
    async with cached_shop() as shop:
        bodies = [(await shop.ask(authorization=login)).body for login in ("a", "b", "a")]
        bodies += [(await shop.ask()).body, (await shop.ask(authorization="a")).body]
    assert bodies == [b"answer %d" % number for number in range(1, 6)]


@on_uvloop
async def test_what_everybody_may_have_a_login_gets_for_itself() -> None:
    """Logged in, a source may say something else; what it said to strangers is not that."""
    async with cached_shop() as shop:
        assert [(await shop.ask(**who)).body for who in ({}, {"authorization": "a"}, {})] == [
            b"answer 1",
            b"answer 2",
            b"answer 1",
        ]


@on_uvloop
async def test_what_its_source_calls_public_is_shared() -> None:
    async with cached_shop("Cache-Control: public, max-age=60") as shop:
        bodies = [
            (await shop.ask(**who)).body for who in ({"authorization": "a"}, {}, {"authorization": "b"})
        ]
    assert bodies == [b"answer 1"] * 3


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-Host",
        "X_Forwarded_Host",
        "X-Forwarded-Scheme",
        "Forwarded",
        "X-Original-URL",
        "X_Original_Url",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Method-Override",
        "X-Method-Override",
    ],
)
@on_uvloop
async def test_fields_that_would_poison_an_answer_do_not_reach_its_source(field: str) -> None:
    async with cached_shop() as shop, shop.house.line(shop.port) as line:
        await line.send(
            f"GET /x HTTP/1.1\r\nHost: localhost\r\nX-Fine: yes\r\n{field}: evil\r\n\r\n".encode()
        )
        assert (await line.answer()).status == 200
        [head] = shop.origin.heads
        assert "evil" not in head
        assert "x-fine: yes" in head


@on_uvloop
async def test_what_has_no_part_in_the_key_chooses_nothing() -> None:
    async with cached_shop() as shop:
        shop.origin.turns.append(shop.origin.says(b"for all"))
        await shop.ask(accept="a/b", accept_language="xx", origin="http://evil", user_agent="x")
        assert (await shop.ask(accept="c/d")).body == b"for all"


@pytest.mark.parametrize(
    "target", ["/account/x.css", "/account;.js", "/account/%00.png", "/account?x.css", "/static/app.js"]
)
@on_uvloop
async def test_nothing_is_kept_for_how_its_path_ends(target: str) -> None:
    async with cached_shop("Content-Type: text/css") as shop:
        for number in (1, 2):
            assert (await shop.ask(target)).body == b"answer %d" % number


@on_uvloop
async def test_paths_that_differ_are_different_questions() -> None:
    async with cached_shop() as shop:
        targets = ["/a", "/a/", "/A", "/a?", "/a?b=1&c=2", "/a?c=2&b=1", "/%61", "//a", "/a;x"]
        bodies = [(await shop.ask(target)).body for target in targets]
    assert len(set(bodies)) == len(targets)


@on_uvloop
async def test_an_error_that_somebody_provoked_is_not_given_to_others() -> None:
    async with cached_shop() as shop:
        oops = shop.origin.says(b"oops", "X: y", status="400 Bad")
        shop.origin.turns.append(oops)
        assert (await shop.ask(x="y" * 20_000)).status == 400
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_a_head_that_is_too_long_does_not_reach_its_source() -> None:
    async with cached_shop() as shop:
        assert (await shop.ask(x="y" * 40_000)).status == 431
        assert shop.origin.asked == 0


@on_uvloop
async def test_an_error_that_its_source_lets_be_kept_does_not_stay_for_long() -> None:
    async with cached_shop("Cache-Control: max-age=86400") as shop:
        shop.origin.turns.append(shop.origin.says(b"gone", status="404 No"))
        assert status(await shop.ask())["ttl"] == 300
        assert (await shop.ask()).status == 404
        shop.later(300.0)
        assert (await shop.ask()).status == 200


@on_uvloop
async def test_interim_answers_are_neither_given_nor_kept() -> None:
    async with cached_shop() as shop:

        async def hints(asked: Asked) -> None:
            hint = b"HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\nX-Early: 1\r\n\r\n"
            await asked.line.send(hint + answer(b"final", b"Cache-Control: max-age=60"))

        shop.origin.turns.append(hints)
        for _ in range(2):
            said = await shop.ask()
            assert (said.status, said.body, said.all("link"), said.all("x-early")) == (200, b"final", [], [])


@pytest.mark.parametrize("kept", [True, False])
@on_uvloop
async def test_a_thousand_ranges_bring_the_whole(kept: bool) -> None:
    async with cached_shop() as shop:
        shop.origin.body = b"0123456789"
        if kept:
            await shop.ask()
        said = await shop.ask(range="bytes=" + ",".join(["0-"] * 1000))
        assert (said.status, said.body) == (200, b"0123456789")
        assert "range:" not in shop.origin.heads[-1]


@on_uvloop
async def test_a_few_ranges_go_on_where_nothing_is_kept() -> None:
    async with cached_shop("Cache-Control: no-store") as shop:
        await shop.ask(range="bytes=" + ",".join(["0-"] * MOST_RANGES))
        assert "range: bytes=0-" in shop.origin.heads[0]


@pytest.mark.parametrize("wish", ["no-cache", "min-fresh=601", "no-store"])
@on_uvloop
async def test_nobody_can_have_fresh_answers_asked_for_without_end(wish: str) -> None:
    async with cached_shop("Cache-Control: max-age=600") as shop:
        await shop.ask()
        said = [await shop.ask(cache_control=wish) for _ in range(MOST + 5)]
        assert shop.origin.asked <= 1 + MOST
        told = status(said[-1])
        assert (told["hit"], told["detail"]) == (True, TOKEN("asked-too-often"))
        shop.later(60.0)
        assert "fwd" in status(await shop.ask(cache_control=wish))


@on_uvloop
async def test_a_source_cannot_make_us_give_what_is_not_ours() -> None:
    """A split field would be an answer of somebody else."""
    async with cached_shop() as shop:

        async def splits(asked: Asked) -> None:
            await asked.line.send(
                b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"
            )

        shop.origin.turns.append(splits)
        assert (await shop.ask()).status == 502
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_a_rotten_answer_is_asked_for_again_and_counted() -> None:
    async with cached_shop("Cache-Control: max-age=600") as shop:
        await shop.ask()
        kept = shop.cache.memory.find(resource_key("my_shop", b"/x", authorised=False), (), 0.0)
        assert kept is not None
        kept.body = b"answer 9"
        shop.later(CHECKED_EVERY + 1)
        assert (await shop.ask()).body == b"answer 2"
        assert shop.cache.counts.corrupt == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"if_none_match": '"' * 5000},
        {"if_none_match": '"a",' * 1000},
        {"if_modified_since": "x" * 5000},
        {"cache_control": 'max-age="' + "\\" * 5000},
        {"cache_control": "," * 9000},
        {"range": "bytes=" + "9" * 5000 + "-"},
        {"accept_language": "a;q=0.5," * 1000},
        {"pragma": ", " * 3000},
    ],
)
@on_uvloop
async def test_odd_fields_are_answered(fields: dict[str, Any]) -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "b"', "Vary: Accept-Language") as shop:
        for _ in range(2):
            assert (await shop.ask(**fields)).status in (200, 416)
