"""Thousands of sources that nobody asks cost next to nothing, and share nothing that must be their own."""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.catalog import build_endpoints
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.endpoint_healing.upstream import Upstream, UpstreamLimits
from autonomous_healing.settings import BadSettings, load_settings

MANY = 2000

#: Bytes for what is known of a source, and for all that is kept about it before its first call.
KNOWN, KEPT = 600, 1000

ResultT = TypeVar("ResultT")


def endpoints(count: int = MANY) -> tuple[Endpoint, ...]:
    options = {
        f"shop_{n}": SourceSettings(kind="raw", hosts=(f"http://shop-{n}.test/base",)) for n in range(count)
    }
    return build_endpoints(options)


def admission(clock: ManualClock | None = None) -> Admission:
    return Admission({}, {}, HealingSettings(), clock or ManualClock())


def bytes_each(make: Callable[[], ResultT]) -> tuple[float, ResultT]:
    """What is still held by what was made, by each of many."""
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / MANY, made
    finally:
        tracemalloc.stop()


def test_a_source_that_is_known_is_small() -> None:
    options = {f"shop_{n}": SourceSettings(kind="raw", hosts=("http://shop.test",)) for n in range(MANY)}
    each, made = bytes_each(lambda: build_endpoints(options))
    assert len(made) == MANY
    assert each < KNOWN


def test_a_target_that_was_looked_at_but_never_called_is_small() -> None:
    known, kept = endpoints(), admission()

    def look() -> list[object]:
        return [
            (kept.window(one).read().total, kept.breaker(one, one.source.hosts[0]).would_allow())
            for one in known
        ]

    each, _ = bytes_each(look)
    assert each < KEPT


async def test_connections_are_kept_for_those_only_that_are_asked() -> None:
    upstream = Upstream(user_agent="test", limits=UpstreamLimits(max_body=1))
    await upstream.start()
    known = endpoints()
    try:
        each, routes = bytes_each(lambda: [upstream.route(one.source, one.source.hosts[0]) for one in known])
        assert each < KEPT
        assert str(routes[7].connections.origin) == "http://shop-7.test"
        assert routes[7].connections is upstream.route(known[7].source, known[7].source.hosts[0]).connections
        assert routes[7].connections is not routes[8].connections
    finally:
        await upstream.stop()


def test_what_happens_to_one_happens_to_no_other() -> None:
    clock = ManualClock()
    kept = admission(clock)
    one, other = endpoints(2)
    for _ in range(5):
        kept.window(one).record_failure()
        kept.breaker(one, "host").record_failure("API.SERVER_ERROR")
        kept.limits(one.source).budget.spend()

    assert kept.window(one).read().failed == 5
    assert not kept.breaker(one, "host").is_closed
    assert kept.window(other).read().total == 0
    assert kept.breaker(other, "host").is_closed
    assert kept.limits(other.source).budget.left() > kept.limits(one.source).budget.left()
    assert kept.limits(one.source) is kept.limits(one.source)


MOUNT = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map(lambda parts: "/".join(parts))


@given(st.lists(MOUNT, max_size=6))
def test_mounts_overlap_where_one_is_the_other_or_lies_below_it(paths: list[str]) -> None:
    mounts = [f"/{path}" for path in paths]
    clashing = {
        n
        for n, mount in enumerate(mounts)
        for before in mounts[:n]
        if f"{mount}/".startswith(f"{before}/") or f"{before}/".startswith(f"{mount}/")
    }

    assert overlapping(mounts) == {f"sources.shop_{n}.mount" for n in clashing}


def overlapping(mounts: list[str]) -> set[str]:
    """Where faults of that kind are told."""
    options = {
        f"sources__shop_{n}": {"kind": "raw", "hosts": ["http://shop.test"], "mount": mount}
        for n, mount in enumerate(mounts)
    }
    try:
        load_settings(None, {}, **options)
    except BadSettings as bad:
        return {fault.path for fault in bad.faults if "overlaps with " in fault.message}
    return set()


def test_many_sources_are_read_as_they_stand_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "healing_config.yaml"
    wanted = {
        f"shop_{n}": {"kind": "raw", "hosts": [f"http://shop-{n}.test"], "mount": f"/shops/{n}"}
        for n in range(MANY)
    }
    file.write_text(yaml.dump({"sources": wanted}, Dumper=yaml.CSafeDumper))

    settings = load_settings(file, {})

    assert {id_: settings.sources[id_].mount for id_ in wanted} == {
        id_: one["mount"] for id_, one in wanted.items()
    }


@pytest.mark.parametrize("opening", ["[", "- ", "{a: "])
def test_a_file_that_goes_down_for_ever_ends_nobody(tmp_path: Path, opening: str) -> None:
    file = tmp_path / "healing_config.yaml"
    file.write_text(opening * 200_000)

    with pytest.raises(BadSettings, match="nested too deeply"):
        load_settings(file, {})
