"""Keys that are stored, rotated and taken away while the product runs, by the command and as a whole."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import pytest
from tests.callers import callers_of
from tests.eventually import CLOCK, eventually
from tests.integration.product import (
    Process,
    as_process,
    keys_for,
    read_table,
    run_key_command,
    run_to_end,
    settings_for,
)

from autonomous_healing.drills import KEYS, Stage
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.endpoint_healing.encryption import VARIABLE, Cipher, new_encryption_key
from autonomous_healing.settings import Settings

SOURCE = "exchange_rate_api"
STORED = f"{SOURCE}#s1"
LATEST = "/api/exchange-rate/latest/USD"
FIRST, SECOND = KEYS[SOURCE]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


class Shop:
    """A product without a key for one source, and the command beside it."""

    def __init__(self, stage: Stage, home: Path, **changes: Any) -> None:
        self.stage = stage
        self.settings = settings_for(
            stage, home, logging__format="json", healing__cache={"serve_fresh": False}, **changes
        )
        self.encryption_key = new_encryption_key()

    def environ(self, **more: str) -> dict[str, str]:
        keys = {name: key for name, key in keys_for(self.settings).items() if key not in (FIRST, SECOND)}
        return {**keys, VARIABLE: self.encryption_key, **more}

    async def command(self, *words: str, said: str = "", **environ: str) -> tuple[int, str]:
        """Exit code and output of `autonomous-healing key ...`, with that on its standard input."""
        env = {VARIABLE: self.encryption_key, **environ}
        return await run_key_command(self.settings, *words, env=env, said=said)

    def used(self) -> list[str]:
        """Keys that the provider was asked with, in order."""
        return [one.key for one in self.stage.exchanges() if one.source == SOURCE]


async def answers(product: Process) -> bool:
    return (await product.ask(LATEST, healing_allow="none")).status == 200


async def stored(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await read_table(Path(settings.database.data_dir), sql)]


async def database_is_there(product: Process) -> bool:
    return bool((await product.look("/api/health")).json()["storage"] == "postgres")


async def test_a_key_s_whole_life_without_a_restart(stage: Stage, server_home: Path) -> None:
    shop = Shop(stage, server_home)
    async with as_process(shop.settings, env=shop.environ()) as product:
        await eventually(lambda: database_is_there(product))
        assert f"no key     {SOURCE}" in product.banner
        assert not await answers(product)

        code, said = await shop.command("add", SOURCE, "--purpose", "the spare one", said=f"{FIRST}\n")
        assert (code, said) == (0, f"stored as {STORED}")
        await eventually(lambda: answers(product), 20.0)
        assert set(shop.used()) == {FIRST}

        code, said = await shop.command("rotate", SOURCE, STORED, said=SECOND)
        assert (code, said) == (
            0,
            f"{STORED} is another key from now on; the one before is kept for a day (--undo)",
        )
        await eventually(lambda: asked_with(product, shop, SECOND), 20.0)

        code, said = await shop.command("quarantine", SOURCE, STORED, "--reason", "it leaked")
        assert (code, said) == (0, f"{STORED} is in quarantine")
        await eventually(lambda: refuses(product), 20.0)
        code, said = await shop.command("list")
        assert code == 0
        [line] = [line for line in said.splitlines() if STORED in line]
        assert line.split() == [STORED, "quarantined", "stored", "it", "leaked", "the", "spare", "one"]

        assert await shop.command("release", SOURCE, STORED) == (0, f"{STORED} is in use again")
        assert await shop.command("rotate", SOURCE, STORED, "--undo") == (
            0,
            f"{STORED} is the key that it was before",
        )
        await eventually(lambda: asked_with(product, shop, FIRST), 20.0)

        assert await shop.command("remove", SOURCE, STORED) == (0, f"{STORED} is gone")
        await eventually(lambda: refuses(product), 20.0)

        actions = await stored(shop.settings, "SELECT action, subject, actor FROM audit_log ORDER BY seq")
        assert [action for action, _, _ in actions] == [
            "key.add",
            "key.rotate",
            "key.quarantine",
            "key.release",
            "key.rotate_back",
            "key.remove",
        ]
        assert {(subject, actor.split(" of ")[0]) for _, subject, actor in actions} == {
            (STORED, "command line")
        }
        assert FIRST not in product.said
        assert SECOND not in product.said


async def refuses(product: Process) -> bool:
    return not await answers(product)


async def asked_with(product: Process, shop: Shop, key: str) -> bool:
    return await answers(product) and shop.used()[-1] == key


NO_KEY = "that is no key: 8 to 512 printable characters without blanks"
MAKES_ONE = "`autonomous-healing key encryption-key` makes one"

#: Words, what is said to it, what is different in the environment; exit code, and how the answer begins.
REFUSALS: list[tuple[tuple[str, ...], str, dict[str, str], int, str]] = [
    (("add", "fred"), FIRST, {}, 1, "fred: unknown source; did you mean 'fred_api'?"),
    (("add", "yahoo_finance"), FIRST, {}, 1, "yahoo_finance wants no key"),
    (("add", SOURCE), "short", {}, 1, NO_KEY),
    (("add", SOURCE), "with a blank", {}, 1, NO_KEY),
    (("add", SOURCE), "", {}, 1, NO_KEY),
    (("add", SOURCE), SECOND, {VARIABLE: ""}, 2, f"cannot: ENCRYPTION_KEY is not set: {MAKES_ONE}"),
    (("add", SOURCE), SECOND, {VARIABLE: "canary"}, 2, "cannot: ENCRYPTION_KEY is no Fernet key"),
    (
        ("add", SOURCE),
        SECOND,
        {VARIABLE: new_encryption_key()},
        2,
        "cannot: ENCRYPTION_KEY is not the one by which it was encrypted",
    ),
    (("add", SOURCE), FIRST, {}, 1, f"that key is there already: {STORED}"),
    (("add", "fred_api"), KEYS["fred_api"][0], {}, 1, "that key is there already: fred_api#1"),
    (("rotate", SOURCE, STORED), FIRST, {}, 1, f"that key is there already: {STORED}"),
    (("rotate", SOURCE, STORED, "--undo"), "", {}, 1, f"nothing is kept of {STORED} from before"),
    (
        ("rotate", SOURCE, f"{SOURCE}#s2"),
        SECOND,
        {},
        1,
        f"{SOURCE}#s2: unknown key; did you mean '{STORED}'?",
    ),
    (("rotate", "fred_api", "fred_api#1"), SECOND, {}, 1, "fred_api#1 is in the environment of the product"),
    (("remove", "fred_api", "fred_api#1"), "", {}, 1, "fred_api#1 is in the environment of the product"),
    (("release", SOURCE, STORED), "", {}, 1, f"{STORED} is ok, not quarantined"),
    (("quarantine", SOURCE, "nobody"), "", {}, 1, "nobody: unknown key; known are"),
]


async def test_what_cannot_be_done_is_said_and_changes_nothing(stage: Stage, server_home: Path) -> None:
    shop = Shop(stage, server_home)
    keys = "SELECT source, alias, state, revision, ciphertext FROM api_keys ORDER BY 1, 2"
    async with as_process(shop.settings, env=shop.environ()) as product:
        await eventually(lambda: database_is_there(product))
        assert (await shop.command("add", SOURCE, said=FIRST))[0] == 0
        await eventually(lambda: answers(product), 20.0)
        before = await stored(shop.settings, keys)
        for words, said, environ, code, out in REFUSALS:
            got, told = await shop.command(*words, said=said, **environ)
            assert (words, got, told[: len(out)]) == (words, code, out)
            assert not any(key in told for key in (FIRST, SECOND))
        assert await stored(shop.settings, keys) == before
    code, told = await shop.command("list")
    assert (code, told.split(":")[0]) == (2, "cannot")
    assert "start the product" in told


async def test_an_encryption_key_is_made() -> None:
    program = str(Path(sys.executable).with_name("autonomous-healing"))
    first, second = [await run_to_end(program, "key", "encryption-key") for _ in range(2)]
    assert first[0] == second[0] == 0
    assert first != second
    assert Cipher(first[1]).problem == ""


@pytest.mark.parametrize(
    ("encryption_key", "problem"),
    [
        ("", "ENCRYPTION_KEY is not set"),
        (new_encryption_key(), "ENCRYPTION_KEY is not the one by which it was encrypted"),
    ],
    ids=["none", "another"],
)
async def test_stored_keys_that_cannot_be_read_are_told_and_the_product_starts_with_the_others(
    stage: Stage, server_home: Path, encryption_key: str, problem: str
) -> None:
    shop = Shop(stage, server_home)
    async with as_process(shop.settings, env=shop.environ()) as product:
        await eventually(lambda: database_is_there(product))
        assert (await shop.command("add", SOURCE, said=FIRST))[0] == 0
        await eventually(lambda: answers(product), 20.0)
        product.send(signal.SIGTERM)
        assert await product.ended() == 0

    async with as_process(shop.settings, env=shop.environ(ENCRYPTION_KEY=encryption_key)) as product:
        await eventually(lambda: database_is_there(product))
        await eventually(lambda: tells(product, problem))
        assert "stored_keys_unreadable" in product.said
        assert f"  keys       {STORED} cannot be read: {problem}\n" in product.banner
        assert (await product.ask("/api/fred/series?series_id=DGS10")).status == 200
        assert not await answers(product)
        assert all(key not in product.said for key in (FIRST, SECOND, shop.encryption_key))


async def tells(product: Process, problem: str) -> bool:
    """A critical alert that says what to do."""
    alerts = [one for one in await product.rows("/api/health/alerts") if one["code"] == "KEY.UNUSABLE"]
    return [(one["level"], one["message"], one["recommended_actions"]) for one in alerts] == [
        (
            "critical",
            f"{STORED} cannot be read: {problem}. 0 of 1 keys left.",
            ["Set ENCRYPTION_KEY to the key by which they were stored, and start again"],
        )
    ]


async def test_states_of_keys_outlive_a_kill(stage: Stage, server_home: Path) -> None:
    shop = Shop(stage, server_home, healing__keys={"invalid_rest": 3600.0})
    environ = keys_for(shop.settings)
    stage.lay([Fault(kind=FaultKind.UNAUTHORIZED, source=SOURCE)])
    async with as_process(shop.settings, env=environ) as product:
        await eventually(lambda: database_is_there(product))
        assert not await answers(product)
        assert not await answers(product)
        invalid = f"SELECT alias FROM api_keys WHERE source = '{SOURCE}' AND state = 'invalid' ORDER BY 1"
        await eventually(lambda: has(shop, invalid, [(f"{SOURCE}#1",), (f"{SOURCE}#2",)]), 20.0)
        await product.kill()
    asked = len(shop.used())
    async with as_process(shop.settings, env=environ) as product:
        await eventually(lambda: database_is_there(product))
        await eventually(lambda: is_critical(product), 20.0)
        for _ in range(5):
            assert not await answers(product)
        assert len(shop.used()) == asked  # no call with a key that is known to be rejected


async def has(shop: Shop, sql: str, rows: list[tuple[str, ...]]) -> bool:
    return await stored(shop.settings, sql) == rows


async def is_critical(product: Process) -> bool:
    alerts = [one for one in await product.rows("/api/health/alerts") if one["code"] == "KEY.UNUSABLE"]
    return [one["level"] for one in alerts] == ["critical"]


async def test_workers_learn_of_keys_too(stage: Stage, server_home: Path) -> None:
    shop = Shop(stage, server_home, server__workers=2)
    async with as_process(shop.settings, env=shop.environ()) as product:
        await eventually(lambda: database_is_there(product))
        assert (await shop.command("add", SOURCE, said=FIRST))[0] == 0
        await eventually(lambda: answers(product), 20.0)
        port = urlsplit(product.proxy).port or 0
        [worker] = [
            one.pid for one in psutil.Process(product.pid).children() if "worker" in str(one.cmdline())
        ]
        await eventually(lambda: asks_itself(port, worker, product.pid), 30.0)
        assert set(shop.used()) == {FIRST}


async def asks_itself(port: int, worker: int, owner: int) -> bool:
    """Whether the worker answers while its owner cannot: it holds a lease, and the key that this names."""
    async with callers_of(port, [worker]) as callers:
        caller = callers[worker]
        if (await caller.ask(LATEST)).status != 200:
            return False
        os.kill(owner, signal.SIGSTOP)
        try:
            async with asyncio.timeout(0.3):
                return (await caller.ask(LATEST)).status == 200
        except TimeoutError:
            return False
        finally:
            os.kill(owner, signal.SIGCONT)
