"""The page without a browser: what it says, and that nothing in it can be run."""

import re
from html.parser import HTMLParser

import pytest
from tests.dashboards import World
from tests.troubles import NOT_HEALED

from autonomous_healing.dashboard.files import static_files, words
from autonomous_healing.dashboard.markup import Html, tag
from autonomous_healing.dashboard.page import overview
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.texts import percent, rate, seconds, span, stamp
from autonomous_healing.dashboard.views import Views


class Reading(HTMLParser):
    """Elements, attributes and text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripted = ""
        self.text = ""
        self._within = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.scripted += data
        self.text += data


def read(world: World) -> Reading:
    return Reading(overview(Views(world.rooms, Tally())))


def test_says_no_data_where_nothing_is_known() -> None:
    page = read(World())
    for line in ("Uptimeno data", "Error Rateno data", "Avg Responseno data", "Healing successno data"):
        assert line in page.text
    assert "Nothing had to be healed yet." in page.text


def test_has_a_bar_for_each_source_as_wide_as_its_uptime() -> None:
    world = World()
    world.admission.window(world.endpoint("fred_api/series")).record_success(0.1)
    page = read(world)
    bars = [attrs for name, attrs in page.elements if name == "rect"]
    sources = [attrs["data-source"] for _, attrs in page.elements if "data-source" in attrs]
    assert len(bars) == len(sources) == 5
    assert all(re.fullmatch(r"\d+\.\d\d%", bar["width"] or "") for bar in bars)


def test_names_every_status_in_words_beside_its_colour() -> None:
    world = World()
    window = world.admission.window(world.endpoint("fred_api/series"))
    for _ in range(20):
        window.record_failure()
    page = overview(Views(world.rooms, Tally()))
    assert '<span class="status-badge failed">failed</span>' in page
    assert '<span class="dot failed" aria-hidden="true"></span><span class="word">failed</span>' in page


def test_shows_what_is_open_who_works_and_what_was_healed() -> None:
    world = World()
    world.alerts.see(NOT_HEALED)
    world.agent("monitoring")
    report = world.heal()
    page = read(world)
    assert "ERROR: Yahoo Finance - Degraded" in page.text
    assert "running, healthy" in page.text
    assert "healed by use_cached_data" in page.text
    assert ("a", {"href": f"/api/healing/trails/{report.id}"}) in page.elements


def test_holds_nothing_that_the_policy_would_have_to_forbid() -> None:
    world = World()
    world.alerts.see(NOT_HEALED)
    world.heal()
    page = read(world)
    assert page.scripted == ""
    assert [attrs for _, attrs in page.elements if "style" in attrs] == []
    assert [name for _, attrs in page.elements for name in attrs if name.startswith("on")] == []
    addresses = [attrs.get("src") or attrs.get("href") or "/" for _, attrs in page.elements]
    assert all(address.startswith(("/", "#")) for address in addresses)


def test_what_others_wrote_stays_text() -> None:
    world = World()
    world.agent("<script>alert(1)</script>", last_error='"><img src=x>')
    document = overview(Views(world.rooms, Tally()))
    assert "<script>alert(1)" not in document
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in document


def test_markup_escapes_text_and_attributes_and_only_once() -> None:
    inner = tag("b", "<&>")
    assert inner == "<b>&lt;&amp;&gt;</b>"
    assert (
        tag("p", inner, class_="x", data_id='"', hidden=None) == f'<p class="x" data-id="&quot;">{inner}</p>'
    )
    assert isinstance(inner, Html)


def test_each_id_stands_once_and_labels_lead_somewhere() -> None:
    page = read(World())
    ids = [attrs["id"] for _, attrs in page.elements if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs} <= set(ids)


def test_scripts_use_only_words_of_the_catalogue() -> None:
    scripts = "".join(file.body.decode() for name, file in static_files().items() if name.endswith(".js"))
    used = set(re.findall(r"(?<![\"\w])words\.(\w+)", scripts))
    assert len(used) >= 10
    assert used - words().keys() == set()


def test_scripts_never_parse_text_as_markup() -> None:
    scripts = "".join(file.body.decode() for name, file in static_files().items() if name.endswith(".js"))
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in scripts


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (rate(None), "no data"),
        (rate(0.0), "0.00 %"),
        (rate(0.12345), "12.35 %"),
        (percent(99.999), "100.00 %"),
        (percent(None), "no data"),
        (seconds(0.1234), "0.123 s"),
        (seconds(None), "no data"),
        (stamp(None), "no data"),
        (span(0.4), "0 s"),
        (span(75), "1 min 15 s"),
        (span(3600), "1 h 0 min"),
        (span(200_000), "2 d 7 h"),
    ],
)
def test_figures_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected
