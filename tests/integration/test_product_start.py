"""The command line starts the product, or says what has to be mended, all at once and without secrets."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.eventually import CLOCK
from tests.integration.product import as_process, command_line, keys_for, run_to_end, settings_for

from autonomous_healing.drills import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


@pytest.mark.parametrize("door", ["proxy", "dashboard"])
async def test_a_port_that_is_taken_is_told_by_number_and_option(
    stage: Stage, server_home: Path, taken_port: int, door: str
) -> None:
    settings = settings_for(stage, server_home)

    code, said = await run_to_end(
        *command_line(settings, f"--{door}-port", str(taken_port)), env=keys_for(settings)
    )

    assert code == 1
    assert f"port {taken_port} is taken" in said
    assert f"--{door}-port" in said
    assert "Traceback" not in said


async def test_all_that_is_wrong_with_a_configuration_is_told_at_once(
    stage: Stage, server_home: Path
) -> None:
    command = command_line(settings_for(stage, server_home))
    (server_home / "healing_config.yaml").write_text(
        "server: {proxy_prot: 1}\nhealing: {breaker: {ratio: 2.0}}\ndatabase: {pool_max: many}\n"
    )

    code, said = await run_to_end(*command, env={"HEALING__LEARNING__INNER_DECAY": "7"})

    assert code == 2
    assert "4 to mend" in said
    for path in ("server.proxy_prot", "healing.breaker.ratio", "database.pool_max", "learning.inner_decay"):
        assert f"  {path}: " in said
    assert "Traceback" not in said
    assert os.listdir(server_home) == ["healing_config.yaml"]  # nothing was begun


async def test_a_configuration_can_be_checked_without_a_start(stage: Stage, server_home: Path) -> None:
    code, said = await run_to_end(*command_line(settings_for(stage, server_home), "--check"))

    assert (code, said.strip()) == (0, f"{server_home}/healing_config.yaml: no faults")


async def test_the_banner_tells_where_the_doors_are_and_what_waits_for_a_key(
    stage: Stage, server_home: Path
) -> None:
    watched = {"source": "fred_api", "endpoint": "/series", "params": {"series_id": "DGS10"}}
    settings = settings_for(stage, server_home, monitoring__endpoints=[watched])
    without = {name: key for name, key in keys_for(settings).items() if not name.startswith("FRED")}
    async with as_process(settings, env=without) as product, aiohttp.ClientSession() as session:
        assert "no key     fred_api: set FRED_API_KEY" in product.banner
        assert "fred_api/series  every 300s  waits for a key" in product.banner
        for door in (product.proxy + "/api/fred/series?series_id=DGS10", product.dashboard + "/livez"):
            async with session.get(door) as answer:
                assert answer.status in (200, 503)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (
            {"monitoring__market_calendar": "NOWHERE"},
            2,
            "monitoring.market_calendar: unknown market calendar",
        ),
        ({"logging__dir": "{home}/file/logs"}, 2, "logging.dir: [Errno "),
        ({"database__spool_dir": "{home}/file/spool"}, 1, "cannot start: [Errno "),
        ({"server__host": "203.0.113.7"}, 1, "cannot start: [Errno "),
    ],
)
async def test_what_only_the_start_can_find_out_is_told_in_a_line(
    stage: Stage, server_home: Path, change: dict[str, str], code: int, said: str
) -> None:
    (server_home / "file").touch()
    [(setting, value)] = change.items()
    token = {"name": "ann", "hash": "0" * 64, "scopes": ["read"]}
    settings = settings_for(
        stage, server_home, **{setting: value.format(home=server_home)}, auth__tokens=[token]
    )

    ended_with, told = await run_to_end(*command_line(settings), env=keys_for(settings))

    assert ended_with == code
    assert said in told
    assert "Traceback" not in told


async def test_open_to_other_machines_it_does_not_start_while_nobody_has_a_token(
    stage: Stage, server_home: Path
) -> None:
    command = command_line(settings_for(stage, server_home))

    code, said = await run_to_end(*command, env={"HEALING__SERVER__HOST": "0.0.0.0"})

    assert code == 2
    assert "server.host: '0.0.0.0' is open to other machines, and nobody has a token" in said
    assert "Traceback" not in said
    assert os.listdir(server_home) == ["healing_config.yaml"]  # nothing was begun
