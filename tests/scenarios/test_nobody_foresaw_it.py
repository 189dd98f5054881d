"""An unexpected fault in one request is told to its caller, kept in the log, and costs nobody else."""

import logging

import pytest
from tests.world import TRUTH, World, json_of

CHART = "/api/yahoo/chart/SPY?interval=1d&range=5d"


async def test_a_bug_is_an_incident_and_not_a_dropped_connection(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.upstream.says("chart/SPY", ArithmeticError("a bug of ours, with key=s3cret in its words"), TRUTH)

    with caplog.at_level(logging.ERROR):
        reply = await world.get(CHART)

    document = json_of(reply)
    assert (reply.status, document["title"]) == (500, "Unexpected fault")
    assert "s3cret" not in reply.body.decode()
    [record] = [one for one in caplog.records if one.getMessage() == "request_crashed"]
    assert vars(record)["incident"] in document["detail"]
    assert (await world.get(CHART)).status == 200
