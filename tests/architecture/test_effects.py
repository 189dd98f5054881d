"""What code may do to the world around it."""

import pytest
from tests.architecture.effects import (
    BULKHEADS,
    CLOCK,
    broad_excepts,
    easy_skips,
    globals_rebound,
    mutable_defaults,
    patching,
    prints,
    reads_the_time,
    waits,
)
from tests.architecture.reading import Rule, beside_it, offences, product, snippet


def test_unexpected_errors_are_stopped_only_at_a_bulkhead() -> None:
    assert offences(broad_excepts, product()) == []


def test_every_bulkhead_stops_something() -> None:
    unnamed = [snippet(source.text) for source in product() if source.path in BULKHEADS]
    assert len(unnamed) == len(BULKHEADS)
    assert all(offences(broad_excepts, [source]) for source in unnamed)


def test_nothing_prints() -> None:
    assert offences(prints, (*product(), *beside_it())) == []


def test_no_global_is_rebound() -> None:
    assert offences(globals_rebound, (*product(), *beside_it())) == []


def test_no_default_argument_is_shared() -> None:
    assert offences(mutable_defaults, (*product(), *beside_it())) == []


def test_tests_replace_the_world_and_patch_nothing() -> None:
    assert offences(patching, (*product(), *beside_it())) == []


def test_nothing_is_left_out_in_ci() -> None:
    assert offences(easy_skips, beside_it()) == []


def test_only_the_clock_sleeps() -> None:
    assert offences(waits, (*product(), *beside_it())) == []


def test_only_the_clock_reads_the_time() -> None:
    assert offences(reads_the_time, product()) == []


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (broad_excepts, "try: f()\nexcept: pass"),
        (broad_excepts, "try: f()\nexcept Exception as bug: log(bug)"),
        (broad_excepts, "try: f()\nexcept (OSError, builtins.BaseException): pass"),
        (broad_excepts, "try: f()\nexcept Exception as bug: raise Other from bug"),
        (broad_excepts, "with contextlib.suppress(Exception): f()"),
        (prints, "print('here')"),
        (globals_rebound, "def f():\n    global seen\n    seen = 1"),
        (mutable_defaults, "def f(seen=[]): ..."),
        (mutable_defaults, "async def f(*, seen=dict()): ..."),
        (mutable_defaults, "f = lambda seen={1}: seen"),
        (patching, "from unittest import mock"),
        (patching, "import unittest.mock"),
        (patching, "def test_it(monkeypatch): monkeypatch.setattr(module, 'f', g)"),
        (patching, "def test_it(mocker): ..."),
        (easy_skips, "@pytest.mark.skip\ndef test_it(): ..."),
        (easy_skips, "pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason='no browser')"),
        (easy_skips, "def test_it(): pytest.skip('later')"),
        (easy_skips, "httpx = pytest.importorskip('httpx')"),
        (waits, "import time\ntime.sleep(1)"),
        (waits, "await asyncio.sleep(0)"),
        (waits, "from asyncio import sleep"),
        (reads_the_time, "import time"),
        (reads_the_time, "def f():\n    from time import monotonic"),
        (reads_the_time, "seen_at = datetime.now(UTC)"),
        (reads_the_time, "today = datetime.date.today()"),
    ],
)
def test_notices(rule: Rule, bad: str) -> None:
    assert offences(rule, [snippet(bad)])


@pytest.mark.parametrize(
    ("rule", "path", "good"),
    [
        (broad_excepts, "healing/loop.py", "try: f()\nexcept Exception: pass"),
        (broad_excepts, "proxy/routes.py", "try: f()\nexcept BaseException:\n    undo()\n    raise"),
        (broad_excepts, "proxy/routes.py", "try: f()\nexcept OSError: pass"),
        (mutable_defaults, "proxy/routes.py", "def f(seen=(), name=None): ..."),
        (patching, "tests/unit/test_x.py", "def test_it(monkeypatch): monkeypatch.setenv('A', 'b')"),
        (
            easy_skips,
            "tests/unit/test_x.py",
            "pytest.mark.skipif(not B and 'CI' not in environ)",
        ),
        (waits, CLOCK, "await asyncio.sleep(1)"),
        (waits, "proxy/routes.py", "await clock.sleep(1)"),
        (reads_the_time, CLOCK, "import time"),
        (reads_the_time, "proxy/routes.py", "seen_at = clock.now()"),
    ],
)
def test_lets_pass(rule: Rule, path: str, good: str) -> None:
    assert offences(rule, [snippet(good, path)]) == []
