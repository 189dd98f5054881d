"""What the measurement of memory makes of its rounds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bench.memory import FIRST, GOAL, Rest, configuration, document, figures_of
from bench.rig.figures import Figure

from autonomous_healing.settings import load_settings

FEW = Rest(
    endpoints=9, start_seconds=2.0, rss_mb=70.0, cpu_percent=0.5, look_seconds=0.1, looked_at_rss_mb=71.0
)
MANY = replace(FEW, endpoints=10_009, rss_mb=110.0)


def test_an_endpoint_costs_what_many_cost_more_than_few() -> None:
    figures = figures_of([(FEW, MANY), (FEW, replace(MANY, rss_mb=112.0)), (FEW, MANY)], 10_000)
    assert figures["rss_mb"] == Figure(70.0, 70.0, 70.0)
    assert figures["rss_mb_10k_endpoints"] == Figure(110.0, 110.0, 112.0)
    assert figures["bytes_per_endpoint"] == Figure(4000.0, 4000.0, 4200.0)


@pytest.mark.parametrize(
    ("more", "name"),
    [(10_000, "rss_mb_10k_endpoints"), (1000, "rss_mb_1k_endpoints"), (250, "rss_mb_250_endpoints")],
)
def test_the_figure_of_many_says_how_many(more: int, name: str) -> None:
    assert name in figures_of([(FEW, MANY)], more)


@pytest.mark.parametrize(
    ("rss_mb", "first", "goal"), [(120.0, True, False), (120.1, False, False), (80.0, True, True)]
)
def test_the_bar_is_for_ten_thousand(rss_mb: float, first: bool, goal: bool) -> None:
    found = document([(FEW, replace(MANY, rss_mb=rss_mb))], 10_000)
    assert found["reached"] == {str(FIRST): first, str(GOAL): goal}


def test_fewer_reach_no_bar() -> None:
    assert document([(FEW, MANY)], 1000)["reached"] == {str(FIRST): None, str(GOAL): None}


def test_the_product_takes_the_configuration_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "healing_config.yaml"
    file.write_text(json.dumps(configuration(tmp_path, 3), indent=1))
    settings = load_settings(file, {})
    assert [settings.sources[f"source_{n}"].mount for n in range(3)] == [
        "/sources/0",
        "/sources/1",
        "/sources/2",
    ]
