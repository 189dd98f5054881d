"""A running product carries nothing that it does not need, and stays small."""

import os
import re
import signal
import sys
from importlib import import_module
from pathlib import Path

import cyclopts
import pytest
from tests.eventually import CLOCK
from tests.integration.product import as_process, keys_for, run_to_end, settings_for

from autonomous_healing.commands import VERBS
from autonomous_healing.drills import Stage
from autonomous_healing.settings import Settings, to_yaml

#: What only a short-lived process, or another verb, may load.
FOREIGN = ("aiohttp", "autonomous_healing.drills", "exchange_calendars", "numpy", "pandas", "rich.live")

#: MB of a product at rest, on 64-bit Linux; with ten thousand sources that nobody asks as well.
AT_REST, WITH_MANY = 90, 120

on_linux = pytest.mark.skipif(sys.platform != "linux" and "CI" not in os.environ, reason="reads /proc")

START = """
import asyncio, sys
from datetime import UTC, datetime
from autonomous_healing.commands import main
from autonomous_healing.endpoint_healing.market_hours import load_market_hours

sys.argv = ["autonomous-healing", "start", "--check", "--config", sys.argv[1]]
try:
    main()
except SystemExit as end:
    assert not end.code, end
asyncio.run(load_market_hours("XNYS", datetime.now(UTC)))
print("loaded:", *sys.modules)
"""


async def test_what_a_product_loads_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "healing_config.yaml"
    file.write_text(to_yaml(Settings()))

    code, said = await run_to_end(sys.executable, "-c", START, str(file))

    assert code == 0, said
    loaded = said.partition("loaded:")[2].split()
    assert "autonomous_healing.application" in loaded
    assert [name for name in FOREIGN if name in loaded] == []


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_listed_with_its_own_sentence(verb: str) -> None:
    target = getattr(import_module(f"autonomous_healing.commands.{verb}"), verb)

    assert VERBS[verb] == (target.help if isinstance(target, cyclopts.App) else target.__doc__)


def megabytes(pid: int) -> float:
    """Resident."""
    [kibibytes] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kibibytes) * 1024 / 1e6


def mapped(pid: int) -> str:
    """The files that are part of its memory."""
    return Path(f"/proc/{pid}/maps").read_text()


@on_linux
async def test_a_product_at_rest_is_small(server_home: Path) -> None:
    async with Stage(7, CLOCK) as stage:
        settings = settings_for(stage, server_home, monitoring__market_calendar="XNYS")
        async with as_process(settings, env=keys_for(settings)) as product:
            assert megabytes(product.pid) < AT_REST
            assert [name for name in FOREIGN if f"/{name}/" in mapped(product.pid)] == []
            product.send(signal.SIGTERM)
            assert await product.ended() == 0


@on_linux
async def test_a_product_with_ten_thousand_sources_at_rest_is_small_too(server_home: Path) -> None:
    sources = {
        f"sources__shop_{n}": {"kind": "raw", "hosts": [f"http://shop-{n}.test"], "mount": f"/shops/{n}"}
        for n in range(10_000)
    }
    async with Stage(7, CLOCK) as stage:
        settings = settings_for(stage, server_home, **sources)
        async with as_process(settings, env=keys_for(settings)) as product:
            assert "10009 registered" in product.banner
            assert megabytes(product.pid) < WITH_MANY
            product.send(signal.SIGTERM)
            assert await product.ended() == 0
