"""What callers of a cached source get, and what Cache-Status tells them of it (RFC 9111, RFC 9211)."""

from typing import Any

import http_sf
import pytest
from tests.eventually import eventually
from tests.lanes import Held
from tests.shops import cached_shop, status
from tests.wire_origins import Asked, Cut, on_uvloop

TOKEN = http_sf.Token


async def closes(_: Asked) -> None:
    raise Cut("as it was to be")


#: A connection that was kept may be closed by chance: the question is sent once more on a new one.
CLOSES = (closes, closes)


@on_uvloop
async def test_a_miss_is_asked_for_and_kept() -> None:
    async with cached_shop() as shop:
        said = await shop.ask()
    assert (said.status, said.body) == (200, b"answer 1")
    assert status(said) == {"fwd": TOKEN("uri-miss"), "ttl": 60, "stored": True}
    assert said.all("age") == []


@on_uvloop
async def test_a_hit_is_answered_without_asking_with_its_age_and_the_date_of_its_source() -> None:
    async with cached_shop() as shop:
        first = await shop.ask()
        shop.later(7.5)
        said = await shop.ask()
        assert (said.status, said.body, shop.origin.asked) == (200, b"answer 1", 1)
    assert status(said) == {"hit": True, "ttl": 52}
    assert said.all("age") == ["7"]
    assert said.all("date") == first.all("date")
    assert len(said.all("date")) == 1
    assert said.all("number") == ["1"]


@on_uvloop
async def test_what_is_over_is_asked_for_again() -> None:
    async with cached_shop() as shop:
        await shop.ask()
        shop.later(60.0)
        said = await shop.ask()
        assert (said.body, shop.origin.asked) == (b"answer 2", 2)
    assert status(said) == {"fwd": TOKEN("stale"), "ttl": 60, "stored": True}


@on_uvloop
async def test_what_its_source_confirms_is_given_again() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.append(
            shop.origin.says(b"", "Cache-Control: max-age=30", "X: new", status="304 Same")
        )
        said = await shop.ask()
        assert 'if-none-match: "a"\r\n' in shop.origin.heads[1]
        assert (said.status, said.body, said.all("x"), said.all("age")) == (200, b"answer 1", ["new"], ["0"])
        assert status(said) == {"fwd": TOKEN("stale"), "fwd-status": 304, "ttl": 30, "stored": True}
        assert status(await shop.ask()) == {"hit": True, "ttl": 30}


@on_uvloop
async def test_a_date_is_asked_by_where_there_is_no_tag() -> None:
    async with cached_shop(
        "Cache-Control: max-age=60", "Last-Modified: Mon, 02 Mar 2026 00:00:00 GMT"
    ) as shop:
        await shop.ask()
        shop.later(100.0)
        await shop.ask()
        assert "if-modified-since: mon, 02 mar 2026 00:00:00 gmt\r\n" in shop.origin.heads[1]


@on_uvloop
async def test_a_confirmation_of_another_answer_is_none() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.append(shop.origin.says(b"", 'ETag: "b"', status="304 Same"))
        said = await shop.ask()
        assert (said.status, said.body, shop.origin.asked) == (200, b"answer 3", 3)
        assert "if-none-match" not in shop.origin.heads[2]


@on_uvloop
async def test_what_a_newer_answer_has_replaced_is_not_asked_about_again() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.append(shop.origin.says(b"mine", "Cache-Control: no-store"))
        assert (await shop.ask()).body == b"mine"
        await shop.ask()
        assert ["if-none-match" in head for head in shop.origin.heads] == [False, True, False]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ("Cache-Control: no-store", "no-store"),
        ("Cache-Control: private, max-age=60", "private"),
        ("X: y", "not-reusable"),
        ("Cache-Control: max-age=60\r\nVary: *", "vary"),
        ("Set-Cookie: a=b\r\nLast-Modified: Mon, 02 Mar 2020 00:00:00 GMT", "cookie"),
    ],
)
@on_uvloop
async def test_what_is_not_kept_says_why(fields: str, detail: str) -> None:
    async with cached_shop(fields) as shop:
        for number in (1, 2):
            said = await shop.ask()
            assert (said.body, shop.origin.asked) == (b"answer %d" % number, number)
            assert status(said) == {"fwd": TOKEN("uri-miss"), "detail": TOKEN(detail)}


@on_uvloop
async def test_an_answer_for_other_wishes_is_a_miss_of_the_variant() -> None:
    async with cached_shop("Cache-Control: max-age=60", "Vary: Accept-Language") as shop:
        await shop.ask(accept_language="en")
        said = await shop.ask(accept_language="de")
        assert status(said)["fwd"] == TOKEN("vary-miss")
        assert [(await shop.ask(accept_language=one)).body for one in ("en", "de", "DE")] == [
            b"answer 1",
            b"answer 2",
            b"answer 2",
        ]


@pytest.mark.parametrize("wish", ["no-cache", "max-age=0", "min-fresh=61"])
@on_uvloop
async def test_who_wants_it_newer_gets_it_newer(wish: str) -> None:
    async with cached_shop() as shop:
        await shop.ask()
        shop.later(1.0)
        said = await shop.ask(cache_control=wish)
        assert (said.body, status(said)["fwd"]) == (b"answer 2", TOKEN("request"))
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_who_wants_nothing_kept_has_nothing_kept() -> None:
    async with cached_shop() as shop:
        said = await shop.ask(cache_control="no-store")
        assert status(said) == {"fwd": TOKEN("uri-miss"), "detail": TOKEN("no-store")}
        assert (await shop.ask()).body == b"answer 2"
        said = await shop.ask(cache_control="no-store")
        assert status(said) == {"fwd": TOKEN("request"), "detail": TOKEN("no-store")}
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_who_wants_only_what_is_kept_is_told_when_there_is_nothing() -> None:
    async with cached_shop() as shop:
        said = await shop.ask(cache_control="only-if-cached")
        assert (said.status, said.all("content-type")) == (504, ["application/problem+json"])
        assert (status(said), shop.origin.asked) == ({"detail": TOKEN("only-if-cached")}, 0)
        await shop.ask()
        assert (await shop.ask(cache_control="only-if-cached")).status == 200


@on_uvloop
async def test_who_does_not_mind_gets_what_is_over() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(70.0)
        said = await shop.ask(cache_control="max-stale=10")
        assert (said.body, said.all("age")) == (b"answer 1", ["70"])
        assert status(said) == {"hit": True, "ttl": -10, "detail": TOKEN("max-stale")}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE"])
@on_uvloop
async def test_a_change_at_the_source_is_heeded(method: str) -> None:
    async with cached_shop() as shop:
        for target in ("/x", "/y", "/z"):
            await shop.ask(target)
        shop.origin.turns.append(shop.origin.says(b"", "Location: /y"))
        said = await shop.ask("/x", method=method)
        assert (said.status, status(said)) == (200, {"fwd": TOKEN("method")})
        bodies = [(await shop.ask(target)).body for target in ("/x", "/y", "/z")]
        assert bodies == [b"answer 5", b"answer 6", b"answer 3"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@on_uvloop
async def test_a_change_that_failed_is_none(method: str) -> None:
    async with cached_shop() as shop:
        await shop.ask()
        shop.origin.turns.append(shop.origin.says(b"", status="409 No"))
        assert (await shop.ask(method=method)).status == 409
        assert (await shop.ask()).body == b"answer 1"


@on_uvloop
async def test_a_question_with_a_body_goes_around_it() -> None:
    async with cached_shop() as shop:
        await shop.ask()
        said = await shop.ask(body=b"fat")
        assert (said.body, status(said)) == (b"answer 2", {"fwd": TOKEN("bypass")})
        assert (await shop.ask()).body == b"answer 1"


@on_uvloop
async def test_a_condition_that_only_the_source_can_judge_goes_to_it() -> None:
    async with cached_shop() as shop:
        await shop.ask()
        assert status(await shop.ask(if_match='"a"')) == {"fwd": TOKEN("bypass")}
        assert 'if-match: "a"' in shop.origin.heads[1]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"if_none_match": '"a"'}, 304),
        ({"if_none_match": '"b"'}, 200),
        ({"if_modified_since": "Mon, 02 Mar 2026 00:00:00 GMT"}, 304),
        ({"if_modified_since": "Sun, 01 Mar 2026 00:00:00 GMT"}, 200),
    ],
)
@on_uvloop
async def test_who_holds_it_already_is_told_so_without_asking(condition: dict[str, str], code: int) -> None:
    fields = ("Cache-Control: max-age=60", 'ETag: "a"', "Last-Modified: Mon, 02 Mar 2026 00:00:00 GMT")
    async with cached_shop(*fields) as shop:
        await shop.ask()
        said = await shop.ask(**condition)
        assert (said.status, shop.origin.asked) == (code, 1)
        assert (said.all("etag"), said.all("cache-control")) == (['"a"'], ["max-age=60"])
        assert status(said) == {"hit": True, "ttl": 60}


@on_uvloop
async def test_who_holds_it_already_is_told_so_after_asking_too() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.append(shop.origin.says(b"", "Cache-Control: max-age=60", status="304 Same"))
        said = await shop.ask(if_none_match='"x", "a"')
        assert '"x"' not in shop.origin.heads[1]  # it asks for itself
        assert (said.status, said.body) == (304, b"")
        assert status(said)["fwd-status"] == 304


@on_uvloop
async def test_conditions_of_a_caller_go_on_where_nothing_is_kept() -> None:
    async with cached_shop() as shop:
        shop.origin.turns.append(shop.origin.says(b"", status="304 Same"))
        said = await shop.ask(if_none_match='"a"')
        assert (said.status, 'if-none-match: "a"' in shop.origin.heads[0]) == (304, True)
        assert (await shop.ask()).body == b"answer 2"


@pytest.mark.parametrize(
    ("wanted", "code", "body", "part"),
    [
        ("bytes=0-1", 206, b"01", ["bytes 0-1/10"]),
        ("bytes=8-", 206, b"89", ["bytes 8-9/10"]),
        ("bytes=-3", 206, b"789", ["bytes 7-9/10"]),
        ("bytes=10-", 416, b"", ["bytes */10"]),
        ("bytes=0-1,3-4", 200, b"0123456789", []),
    ],
)
@on_uvloop
async def test_parts_are_cut_from_what_is_kept(wanted: str, code: int, body: bytes, part: list[str]) -> None:
    async with cached_shop() as shop:
        shop.origin.body = b"0123456789"
        await shop.ask()
        said = await shop.ask(range=wanted)
        assert (said.status, said.body, said.all("content-range")) == (code, body, part)
        assert (status(said)["hit"], shop.origin.asked) == (True, 1)


@on_uvloop
async def test_parts_of_what_is_not_kept_are_asked_for_and_not_kept() -> None:
    async with cached_shop() as shop:
        fields = ("Cache-Control: max-age=60", "Content-Range: bytes 0-1/10")
        shop.origin.turns.append(shop.origin.says(b"01", *fields, status="206 Part"))
        said = await shop.ask(range="bytes=0-1")
        assert (said.status, said.body, "range: bytes=0-1" in shop.origin.heads[0]) == (206, b"01", True)
        assert status(said)["detail"] == TOKEN("status")
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_a_head_is_answered_from_what_a_get_has_brought() -> None:
    async with cached_shop() as shop:
        await shop.ask()
        said = await shop.ask(method="HEAD")
        assert (said.status, said.body, said.all("content-length")) == (200, b"", ["8"])
        assert (status(said)["hit"], shop.origin.asked) == (True, 1)


@on_uvloop
async def test_a_head_that_is_asked_for_tells_whether_what_is_kept_still_holds() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        shop.origin.body = b""
        await shop.ask()
        shop.later(100.0)
        said = await shop.ask(method="HEAD")
        assert (shop.origin.heads[1][:5], status(said)["fwd"]) == ("head ", TOKEN("stale"))
        assert status(await shop.ask()) == {"hit": True, "ttl": 60}
        shop.later(100.0)
        shop.origin.turns.append(shop.origin.says(b"", "Cache-Control: max-age=60", 'ETag: "b"'))
        await shop.ask(method="HEAD")
        assert status(await shop.ask())["fwd"] == TOKEN("uri-miss")


@on_uvloop
async def test_what_is_just_over_is_given_while_one_confirms_it() -> None:
    async with cached_shop("Cache-Control: max-age=60, stale-while-revalidate=30", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(70.0)
        shop.origin.turns.append(held := Held(shop.origin.says(b"newer")))
        for _ in range(3):
            said = await shop.ask()
            assert (said.body, said.all("age")) == (b"answer 1", ["70"])
            assert status(said) == {"hit": True, "ttl": -10, "detail": TOKEN("stale-while-revalidate")}
        await eventually(held.has_come)
        held.let_go()
        await eventually(lambda: shop.cache.counts.stored == 2)
        said = await shop.ask()
        assert (said.body, status(said)["hit"], shop.origin.asked) == (b"newer", True, 2)


@on_uvloop
async def test_what_is_gone_is_not_given_any_longer() -> None:
    async with cached_shop("Cache-Control: max-age=60, stale-while-revalidate=600", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.append(shop.origin.says(b"gone", "X: y", status="410 Gone"))
        assert (await shop.ask()).body == b"answer 1"
        await eventually(lambda: len(shop.cache.memory) == 0)
        assert (await shop.ask()).body == b"answer 3"


@pytest.mark.parametrize("fault", ["close", "500", "502", "503", "504", "429"])
@pytest.mark.parametrize("own", [True, False])
@on_uvloop
async def test_it_stands_in_where_its_source_fails_and_that_is_allowed(fault: str, own: bool) -> None:
    """By the source itself, or by its operator."""
    said = "Cache-Control: max-age=60" + (", stale-if-error=600" if own else "")
    async with cached_shop(said, stale_if_error=not own) as shop:
        await shop.ask()
        shop.later(100.0)
        oops = [shop.origin.says(b"", status=f"{fault} Oops")]
        shop.origin.turns.extend(CLOSES if fault == "close" else oops)
        told = await shop.ask()
        assert (told.status, told.body, told.all("age")) == (200, b"answer 1", ["100"])
        expected: dict[str, Any] = {"fwd": TOKEN("stale"), "ttl": -40, "detail": TOKEN("stale-if-error")}
        assert status(told) == expected | ({} if fault == "close" else {"fwd-status": int(fault)})
        assert status(await shop.ask()) == {"fwd": TOKEN("stale"), "ttl": 60, "stored": True}


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"])
@pytest.mark.parametrize("fault", ["close", "503"])
@on_uvloop
async def test_it_does_not_where_its_source_forbids_it(directive: str, fault: str) -> None:
    async with cached_shop(
        f"Cache-Control: max-age=60, {directive}", 'ETag: "a"', stale_if_error=True
    ) as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.extend(CLOSES if fault == "close" else [shop.origin.says(b"", status="503 Oops")])
        assert (await shop.ask()).status == (502 if fault == "close" else 503)


@on_uvloop
async def test_nor_where_nobody_allows_it() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop:
        await shop.ask()
        shop.later(100.0)
        shop.origin.turns.extend(CLOSES)
        assert (await shop.ask()).status == 502


@on_uvloop
async def test_caches_before_us_have_their_say() -> None:
    async with cached_shop("Cache-Control: max-age=60", "Age: 10", "Cache-Status: cdn; hit; ttl=50") as shop:
        first = await shop.ask()
        assert first.all("age") == ["10"]
        assert status(first) == {"fwd": TOKEN("uri-miss"), "ttl": 50, "stored": True}
        said = await shop.ask()
        assert said.all("age") == ["10"]
        assert said.all("cache-status") == ["cdn; hit; ttl=50", "autonomous_healing; hit; ttl=50"]


@on_uvloop
async def test_fields_of_one_hop_are_not_kept_and_those_that_are_withheld_neither() -> None:
    fields = (
        'Cache-Control: max-age=60, no-cache="x-user"',
        "X-User: me",
        "Connection: x-hop",
        "X-Hop: 1",
        "X: y",
    )
    async with cached_shop(*fields, "Proxy-Authentication-Info: z") as shop:
        first, said = await shop.ask(), await shop.ask()
    assert first.all("x-user") == ["me"]
    names = {name for name, _ in said.fields}
    assert names & {"x-user", "x-hop", "connection", "proxy-authentication-info"} == set()
    assert said.all("x") == ["y"]
    assert said.all("via") == ["1.1 autonomous_healing"]


@on_uvloop
async def test_a_source_below_a_path_of_the_proxy_is_cached_too() -> None:
    async with cached_shop(mount="", port=None) as shop:
        said = [await shop.house.ask("/api/my-shop/x") for _ in range(2)]
        assert [one.body for one in said] == [b"answer 1"] * 2
        assert status(said[1])["hit"]


@on_uvloop
async def test_without_the_setting_nothing_is_kept_and_nothing_said_of_it() -> None:
    async with cached_shop(cache="off") as shop:
        said = [await shop.ask() for _ in range(2)]
        assert [one.body for one in said] == [b"answer 1", b"answer 2"]
        assert said[1].all("cache-status") == []
