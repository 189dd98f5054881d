"""Quotas that cannot be as they are set."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from autonomous_healing.settings import BadSettings, load_settings

DAY = {"window": "day", "limit": 25}


def told(tmp_path: Path, changes: Mapping[str, object]) -> list[str]:
    """What is wrong with the defaults when these are changed."""
    file = tmp_path / "healing_config.yaml"
    file.write_bytes(msgspec.json.encode(changes))
    try:
        load_settings(file, {})
    except BadSettings as bad:
        return [str(fault) for fault in bad.faults]
    return []


def quota(*windows: Mapping[str, object]) -> dict[str, object]:
    return {"sources": {"fred_api": {"quota": list(windows)}}}


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ([DAY], None),
        ([{**DAY, "window": 90}], None),
        ([{**DAY, "window": 0.5}], None),
        ([{**DAY, "kind": "fixed", "zone": "Europe/Berlin", "reset": "06:00"}], None),
        ([{**DAY, "window": "month", "kind": "fixed", "reset": "15 06:00"}], None),
        ([{**DAY, "weight": {"/series": 3, "/observations": "ids"}}], None),
        ([{**DAY, "window": "week"}], "window: 'week': is none of second, minute, hour, day, month, nor"),
        ([{**DAY, "window": 2678401}], "window: 2678401: is none of second, minute, hour, day, month, nor"),
        ([{**DAY, "window": -1}], "window: -1: is none of second, minute, hour, day, month, nor"),
        ([{**DAY, "window": True}], "window: True: is none of second, minute, hour, day, month, nor"),
        ([{**DAY, "limit": 0}], "limit: 0: input should be greater than or equal to 1"),
        (
            [{**DAY, "reset": "24:00"}],
            "reset: '24:00': is no time of day like 00:00, or day",
        ),
        ([{**DAY, "reset": "32 00:00"}], "reset: '32 00:00': is no time of day like 00:00, or day of the"),
        ([{**DAY, "reset": "١٢:00"}], "reset: '١٢:00': is no time of day like 00:00, or day of the month"),
        ([{**DAY, "zone": "Mars/Olympus"}], "zone: 'Mars/Olympus': is no time zone like America/New_York"),
        ([{**DAY, "zone": "../../etc/passwd"}], "zone: '../../etc/passwd': is no time zone like"),
        ([{**DAY, "zone": ""}], "zone: '': is no time zone like America/New_York"),
        ([{**DAY, "weight": {"/series": 0}}], "weight: a cost is a number from 1 to 1000000, or the name of"),
        ([{**DAY, "weight": {"/series": 1.5}}], "weight: a cost is a number from 1 to 1000000, or the name"),
        ([{**DAY, "weight": {"/series": True}}], "weight: a cost is a number from 1 to 1000000, or the name"),
        ([{**DAY, "weight": {"/series": ""}}], "weight: a cost is a number from 1 to 1000000, or the name"),
        ([{**DAY, "weight": 5}], "weight: 5: input should be an object"),
        ([{**DAY, "weight": {"/serie": 2}}], "weight./serie: unknown endpoint; did you mean '/series'?"),
        ([{**DAY, "reset": "06:00"}], "reset: has an effect on a fixed day or month only"),
        ([{**DAY, "zone": "Europe/Berlin"}], "zone: has an effect on a fixed day or month only"),
        (
            [{**DAY, "window": "hour", "kind": "fixed", "reset": "06:00"}],
            "reset: has an effect on a fixed day or month only",
        ),
        (
            [{**DAY, "kind": "fixed", "reset": "1 06:00"}],
            "reset: a day of the month has an effect",
        ),
        ([{**DAY, "probe_share": 0.05}], "probe_share: unknown key"),
    ],
)
def test_a_window_is_checked(tmp_path: Path, windows: list[dict[str, object]], said: str | None) -> None:
    found = told(tmp_path, quota(*windows))
    if said is None:
        assert found == []
    else:
        assert found[0].startswith(f"sources.fred_api.quota.0.{said}")


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [("day", "day", "day"), ("minute", 60, "60s"), (90, 90.0, "90s"), ("day", "month", None), (60, 61, None)],
)
def test_no_window_is_there_twice(tmp_path: Path, first: object, second: object, name: str | None) -> None:
    found = told(tmp_path, quota({**DAY, "window": first}, {**DAY, "window": second}))
    assert found == ([f"sources.fred_api.quota.1.window: {name} is there twice"] if name else [])


@pytest.mark.parametrize(
    ("shares", "fine"),
    [
        ({}, True),
        ({"background": 0.9, "batch": 0.9, "first": 0.9}, True),
        ({"background": 0.95}, False),
        ({"first": 0.5}, False),
        ({"probes": 0.9}, False),
    ],
)
def test_shares_do_not_fall(tmp_path: Path, shares: dict[str, float], *, fine: bool) -> None:
    found = told(tmp_path, {"healing": {"quota": shares}})
    assert found == ([] if fine else ["healing.quota: probes, background, batch and first must not fall"])
