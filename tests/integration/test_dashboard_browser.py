"""The page in a real browser: Debian's Chromium."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, async_playwright, expect
from tests.clock import ManualClock
from tests.dashboards import World, served
from tests.troubles import NOT_HEALED

from autonomous_healing.dashboard.live import AT_LEAST

CHROMIUM = Path("/usr/bin/chromium")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ,
    reason="needs /usr/bin/chromium (apt-get install chromium)",
)


@asynccontextmanager
async def opened(world: World, **how: Any) -> AsyncIterator[Page]:
    """The overview; whatever the browser complains of fails the test."""
    complaints: list[str] = []

    def note_failure(url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # what was still on its way when the page was closed
            complaints.append(f"{url}: {failure}")

    async with served(world) as dashboard, async_playwright() as player:
        browser = await player.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        page = await browser.new_page(**how)
        page.on("console", lambda line: complaints.append(line.text) if line.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: note_failure(request.url, request.failure))
        await page.goto(f"http://127.0.0.1:{dashboard.port}/health-dashboard")
        yield page
        await page.close()
        await browser.close()
    assert complaints == []


def ailing() -> World:
    """A source in each state, some healings, agents and an open alert."""
    world = World()
    states = {
        "yahoo_finance/chart": (95, 2),
        "fred_api/series": (60, 6),
        "polygon_io/v2/aggs": (30, 12),
        "alpha_vantage/query": (8, 24),
    }
    for place, (succeeded, failed) in states.items():
        window = world.admission.window(world.endpoint(place))
        for _ in range(succeeded):
            window.record_success(0.231)
        for _ in range(failed):
            window.record_failure()
    for name in ("monitoring", "diagnosis", "healing", "learning"):
        world.agent(name, processed=12)
    return world


async def pass_time(world: World, seconds: float) -> None:
    assert isinstance(world.clock, ManualClock)
    await world.clock.advance(seconds)


async def test_shows_a_bar_for_each_source_and_is_live() -> None:
    world = ailing()
    async with opened(world) as page:
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.locator(".health-indicator")).to_have_count(5)
        yahoo = page.locator('[data-source="yahoo_finance"]')
        await expect(yahoo.locator(".status-badge")).to_have_text("healthy")
        await expect(yahoo.locator(".error-rate")).to_have_text("2.06 %")
        colours = {
            "healthy": "rgb(0, 255, 0)",
            "degraded": "rgb(255, 255, 0)",
            "critical": "rgb(255, 153, 0)",
            "failed": "rgb(255, 0, 0)",
        }
        for status, colour in colours.items():
            badge = page.locator(f".health-indicator .status-badge.{status}")
            await expect(badge).to_have_css("background-color", colour)


async def test_a_healing_arrives_without_loading_anew() -> None:
    world = ailing()
    async with opened(world) as page:
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.locator("#healing-chip")).to_be_hidden()
        world.heal()
        await expect(page.locator("#healings-rows tr")).to_have_count(1)
        await expect(page.locator("#healings-rows .outcome")).to_have_text("healed by use_cached_data")
        await expect(page.locator("#healing-chip")).to_be_visible()
        await pass_time(world, 1)
        await expect(page.locator('[data-number="healing_success"]')).to_have_text("100.00 %")


async def test_a_bar_follows_the_health_of_its_source() -> None:
    world = ailing()
    async with opened(world) as page:
        await expect(page.locator("#live")).to_have_text("live")
        await pass_time(world, 20)
        window = world.admission.window(world.endpoint("exchange_rate_api/latest"))
        window.record_success(0.4)
        await pass_time(world, 1)
        rate = page.locator('[data-source="exchange_rate_api"]')
        await expect(rate.locator(".avg-response")).to_have_text("0.400 s")
        await expect(rate.locator(".fill")).to_have_attribute("width", "100%")
        await expect(rate.locator(".status-badge")).to_have_text("healthy")


async def test_an_alert_slides_in_and_goes_when_it_is_over() -> None:
    world = ailing()
    async with opened(world) as page:
        await expect(page.locator("#live")).to_have_text("live")
        world.alerts.see(NOT_HEALED)
        banner = page.locator(".banner.error")
        await expect(banner).to_contain_text("ERROR: Yahoo Finance - Degraded")
        await expect(banner).to_have_css("background-color", "rgb(244, 67, 54)")
        await expect(page.locator('[data-number="active_alerts"]')).to_have_text("1")
        await pass_time(world, 301)
        world.alerts.sweep()
        await expect(page.locator(".banner.resolved")).to_have_css("background-color", "rgb(76, 175, 80)")
        await expect(page.locator(".banner")).to_have_count(0, timeout=10_000)
        await expect(page.locator('[data-number="active_alerts"]')).to_have_text("0")


async def test_an_answer_older_than_an_alert_does_not_take_it_away() -> None:
    world = ailing()
    answered, go_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        answered.set()
        await go_on.wait()
        await route.fulfill(response=answer)

    async with opened(world) as page:
        await expect(page.locator("#live")).to_have_text("live")
        await page.route("**/api/health/alerts*", hold)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await answered.wait()
        world.alerts.see(NOT_HEALED)
        await expect(page.locator(".banner.error")).to_have_count(1)
        async with page.expect_response("**/api/health/alerts*") as late:
            go_on.set()
        await (await late.value).finished()
        await pass_time(world, AT_LEAST + 1)
        await expect(page.locator("#updated")).to_have_text("2026-03-02 15:00:31")
        await expect(page.locator(".banner.error")).to_have_count(1)
        await expect(page.locator('[data-number="active_alerts"]')).to_have_text("1")


async def test_what_was_dismissed_stays_away() -> None:
    world = ailing()
    world.alerts.see(NOT_HEALED)
    async with opened(world) as page:
        await page.get_by_role("button", name="Dismiss").click()
        await expect(page.locator(".banner")).to_have_count(0)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await pass_time(world, 31)
        await expect(page.locator(".banner")).to_have_count(0)
        await expect(page.locator('[data-number="active_alerts"]')).to_have_text("1")


async def test_says_everything_without_scripts() -> None:
    world = ailing()
    world.alerts.see(NOT_HEALED)
    world.heal()
    async with opened(world, java_script_enabled=False) as page:
        await expect(page.locator("#live")).to_have_text("as loaded")
        await expect(page.locator(".banner.error")).to_contain_text("Yahoo Finance - Degraded")
        await expect(page.locator('[data-source="fred_api"] .error-rate')).to_have_text("9.09 %")
        await expect(page.locator("#healings-rows tr")).to_have_count(1)
        await expect(page.locator("#agents-rows tr")).to_have_count(4)
        fill = page.locator('[data-source="fred_api"] .health-bar')
        assert (await fill.bounding_box() or {"width": 0})["width"] > 100


async def test_fits_a_phone() -> None:
    world = ailing()
    world.alerts.see(NOT_HEALED)
    world.heal()
    async with opened(world, viewport={"width": 390, "height": 844}) as page:
        await expect(page.locator("#live")).to_have_text("live")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        for part in (".figures", ".health-indicator", ".cards > div", ".banner", "tbody"):
            wide = (
                f"[...document.querySelectorAll('{part}')].filter((one) => one.scrollWidth > one.clientWidth)"
            )
            assert await page.evaluate(f"{wide}.length") == 0, part
