"""Keys are ours: they go to their own source, and nowhere else."""

import logging
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
import pytest
from tests.world import SECRETS, Turn, World, said

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.store import rows_of
from autonomous_healing.proxy.provenance import Reply

PATHS = {
    "fred_api": "/api/fred/observations?series_id=DGS10&limit=40&sort_order=desc",
    "polygon_io": "/api/polygon/prev?ticker=AAPL",
    "alpha_vantage": "/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol=IBM",
    "exchange_rate_api": "/api/exchange-rate/latest/USD",
}


def secret_forms() -> Iterator[str]:
    for secrets in SECRETS.values():
        for secret in secrets:
            yield from {secret, quote(secret, safe="")}


def leaked(*told: object) -> list[str]:
    """The secrets that stand in what was told."""
    text = "".join(one.decode() if isinstance(one, bytes) else str(one) for one in told)
    return [form for form in secret_forms() if form in text]


def whole(reply: Reply) -> str:
    return f"{reply.headers}{reply.content_type}{reply.body.decode()}"


def parrot(source: str, status: int) -> Turn:
    """A source that repeats the key wherever it can."""
    key = SECRETS[source][0]
    text = f"We have detected your API key as {key} ({quote(key, safe='')}); 25 requests per day."
    content = {"Information": text, "error_message": text, "error": text, "message": text, "status": "ERROR"}
    return said(status, content, location=f"https://x.test/?key={quote(key, safe='')}", etag=f'"{key}"')


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 429, 500])
async def test_an_echoed_key_reaches_no_caller_no_trail_no_log_and_no_table(
    source: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    world.upstream.says("https", parrot(source, status))
    for allow in ("exact, stale", "none"):
        reply = await world.get(PATHS[source], healing_allow=allow)
        assert leaked(whole(reply)) == []
    for report in world.reports:
        trail = world.healer.trails.find(report.id)
        assert trail is not None
        assert leaked(msgspec.json.encode(trail.to_json())) == []
        assert leaked(*[row.values for row in rows_of(report)]) == []
        assert leaked(repr(report)) == []
    assert leaked(caplog.text) == []


@pytest.mark.parametrize(
    ("source", "name"), [("fred_api", "error_message"), ("alpha_vantage", "Error Message")]
)
@pytest.mark.parametrize("before", [0, 190])
async def test_a_key_in_the_words_of_a_retry_is_in_no_trail(source: str, name: str, before: int) -> None:
    world = World()
    key = SECRETS[source][0]
    words = f"{'x' * before} {key} asked for nonsense"
    world.upstream.says("https", said(503), said(400, {"error_code": 400, name: words}))
    reply = await world.get(PATHS[source])
    trail = world.trail(reply)
    [retry] = [one for one in trail["attempts"] if one["strategy"] == "exponential_backoff_retry"]
    assert retry["reason"].startswith("again: ")
    assert key[:8] not in str(trail)
    assert key[:8] not in whole(reply)


@pytest.mark.parametrize("source", PATHS)
async def test_a_key_in_a_healthy_answer_is_taken_out(source: str) -> None:
    world = World()
    await world.get(PATHS[source])
    truth = world.upstream.truth(world.upstream.asked[0].url)
    key = SECRETS[source][0]
    document = {**msgspec.json.decode(truth.body), "echo": f"{key} {quote(key, safe='')}"}
    world.upstream.says("https", said(200, document))
    reply = await world.get(PATHS[source])
    assert (reply.status, reply.headers) == (200, {})
    assert msgspec.json.decode(reply.body)["echo"] == "[redacted] [redacted]"


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize(
    "fault", [FaultKind.UNAUTHORIZED, FaultKind.QUOTA, FaultKind.THROTTLE, FaultKind.HANG]
)
async def test_the_source_s_own_refusals_leak_nothing(source: str, fault: FaultKind) -> None:
    world = World()
    world.upstream.says("https", fault)
    reply = await world.get(PATHS[source])
    assert leaked(whole(reply), world.trail(reply)) == []


@pytest.mark.parametrize("source", PATHS)
async def test_every_key_goes_only_to_its_own_source(source: str) -> None:
    world = World()
    world.upstream.says("https", FaultKind.UNAUTHORIZED)
    await world.get(PATHS[source])
    strangers = World(secrets={source: SECRETS[source]})
    strangers.upstream.says("https", FaultKind.UNAUTHORIZED)
    await strangers.get(PATHS[source])
    assert [asked.url for asked in world.upstream.asked] == [asked.url for asked in strangers.upstream.asked]
    assert all(leaked(asked.url) for asked in world.upstream.asked)
    assert all(leaked(asked.headers) == [] for asked in world.upstream.asked)


@pytest.mark.parametrize(
    ("path", "name", "ours"),
    [
        ("/api/fred/series?series_id=DGS10", "api_key", SECRETS["fred_api"][0]),
        ("/api/polygon/prev?ticker=AAPL", "apiKey", SECRETS["polygon_io"][0]),
        ("/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol=IBM", "apikey", SECRETS["alpha_vantage"][0]),
    ],
)
async def test_a_caller_s_own_key_is_dropped_and_ours_is_sent(path: str, name: str, ours: str) -> None:
    world = World()
    await world.get(f"{path}&{name}=callers_own")
    [asked] = world.upstream.asked
    assert asked.query[name] == ours
    assert "callers_own" not in asked.url


async def test_a_key_in_the_path_is_in_no_cache_key() -> None:
    world = World()
    await world.get(PATHS["exchange_rate_api"])
    assert "canary-exchange%2Fone" in world.upstream.asked[0].url
    assert leaked(world.call("exchange_rate_api/latest").resource) == []


async def test_a_trail_tells_keys_by_their_alias() -> None:
    world = World()
    world.upstream.says("polygon%2Bone", FaultKind.UNAUTHORIZED)
    trail = world.trail(await world.get(PATHS["polygon_io"]))
    assert trail["failure"]["key_alias"] == "polygon_io#1"


@pytest.mark.parametrize("name", ["api_key", "apikey", "apiKey", "token", "access_key", "key", "X-Api-Key"])
async def test_a_caller_s_own_key_for_whatever_source_reaches_no_trail_and_no_table(name: str) -> None:
    world = World()
    world.upstream.says("https", said(503))
    for source, path in PATHS.items():
        sign = "&" if "?" in path else "?"
        await world.get(f"{path}{sign}{name}=the-callers-own")
        assert "the-callers-own" not in world.upstream.asked[-1].url, source
    assert len(world.reports) == len(PATHS)
    for report in world.reports:
        told = [repr(report), *[repr(row.values) for row in rows_of(report)]]
        assert not [one for one in told if "the-callers-own" in one]
