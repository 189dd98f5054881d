"""The log says events, and the documents list every one."""

import pytest
from tests.architecture.events import Event, listed, prose, said
from tests.architecture.reading import ROOT, offences, product, snippet

PAGE = ROOT / "docs" / "reference" / "events.md"

ROW = "| `source_lost` | warning, error | `source`, `reason` | No answer came. |\n"


def test_the_log_says_events_and_not_prose() -> None:
    assert offences(prose, product()) == []


def test_the_documents_list_exactly_the_events_that_are_said() -> None:
    page = listed(PAGE.read_text(encoding="utf-8")).items()
    code = said(product()).items()
    assert (list(page - code), list(code - page)) == ([], [])


@pytest.mark.parametrize(
    "bad",
    [
        'log.info("The source was lost")',
        'log.info("lost")',
        'log.info(f"source_{name}_lost")',
        'log.info("source_lost %s", name)',
        "log.warning(reason)",
        'log.log(level, "source_lost")',
    ],
)
def test_notices_prose(bad: str) -> None:
    assert offences(prose, [snippet(bad)])


def test_gathers_an_event_from_all_places_that_say_it() -> None:
    here = snippet('log.warning("source_lost", extra={"source": 1})')
    there = snippet('log.exception("source_lost", extra={"reason": 2})')
    assert said([here, there]) == listed(ROW)


def test_notices_what_the_page_does_not_tell() -> None:
    told = listed(ROW)
    assert told == {"source_lost": Event(frozenset({"warning", "error"}), frozenset({"source", "reason"}))}
    assert said([snippet('log.info("source_lost", extra={"source": 1, "reason": 2})')]) != told
    assert said([snippet('log.warning("source_found")')]) != told
