"""How the log and whoever has the dashboard open hear of alerts."""

import asyncio
import logging

import pytest
from tests.clock import let_others_run
from tests.troubles import NOON, alert_of

from autonomous_healing.alerts import LogChannel, WebChannel
from autonomous_healing.alerts.channels import AlertFired, AlertResolved

ONE, TWO, THREE = (alert_of(alert_id=f"alert_{n}_1772452800") for n in (1, 2, 3))


def test_the_log_says_what_fired_and_that_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "autonomous_healing.alerts")

    LogChannel().firing(ONE)
    LogChannel().resolved(ONE.resolved(NOON))

    fired, resolved = caplog.records
    assert (fired.getMessage(), fired.levelname) == ("alert_fired", "WARNING")
    assert (resolved.getMessage(), resolved.levelname) == ("alert_resolved", "INFO")
    assert vars(fired).items() >= {"alert": ONE.id, "alert_level": "error", "endpoint": "/chart"}.items()
    assert vars(resolved).items() >= {"alert": ONE.id, "seconds": 0.0}.items()


async def test_every_subscriber_hears_everything_in_order() -> None:
    channel = WebChannel()
    subscriptions = [channel.subscribe(), channel.subscribe()]

    channel.firing(ONE)
    channel.resolved(ONE.resolved(NOON))
    channel.close()

    for subscription in subscriptions:
        assert [message async for message in subscription] == [AlertFired(ONE), AlertResolved(ONE.id, NOON)]


async def test_wakes_a_subscriber_that_waits() -> None:
    channel = WebChannel()
    waiting = asyncio.ensure_future(anext(channel.subscribe()))
    await let_others_run()
    assert not waiting.done()

    channel.firing(ONE)

    assert await waiting == AlertFired(ONE)


async def test_a_slow_subscriber_loses_the_oldest_and_knows_how_many() -> None:
    channel = WebChannel(size=2)
    slow, quick = channel.subscribe(), channel.subscribe()

    channel.firing(ONE)
    assert await anext(quick) == AlertFired(ONE)
    channel.firing(TWO)
    channel.firing(THREE)

    assert (slow.missed, quick.missed) == (1, 0)
    assert [await anext(slow), await anext(slow)] == [AlertFired(TWO), AlertFired(THREE)]


async def test_who_has_left_hears_no_more() -> None:
    channel = WebChannel()
    with channel.subscribe() as gone:
        assert channel.subscribers == 1
    channel.firing(ONE)

    assert channel.subscribers == 0
    assert [message async for message in gone] == []


async def test_who_comes_after_the_end_is_not_kept_waiting() -> None:
    channel = WebChannel()
    channel.close()

    assert [message async for message in channel.subscribe()] == []
