"""One exchange with a provider, over a real socket."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from autonomous_healing.endpoint_healing.call import Trouble
from autonomous_healing.endpoint_healing.upstream import Unanswered, Upstream

LIMIT = 100_000


async def _say(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * int(request.query["bytes"]))


@pytest.fixture
async def provider() -> AsyncIterator[str]:
    """The address of one who says as many bytes as asked for."""
    application = web.Application()
    application.router.add_get("/", _say)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/"
    await runner.cleanup()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    pool = Upstream(user_agent="tests", max_body=LIMIT)
    await pool.start()
    yield pool
    await pool.stop()


async def test_takes_an_answer_up_to_the_limit_whole(provider: str, upstream: Upstream) -> None:
    answer = await upstream.get(f"{provider}?bytes={LIMIT}", {}, 5.0)
    assert (answer.status, len(answer.body)) == (200, LIMIT)


async def test_an_answer_above_the_limit_is_told_apart_from_a_broken_line(
    provider: str, upstream: Upstream
) -> None:
    with pytest.raises(Unanswered, match=f"answer larger than {LIMIT} bytes") as refused:
        await upstream.get(f"{provider}?bytes={LIMIT + 1}", {}, 5.0)
    assert refused.value.trouble is Trouble.TOO_LARGE
