"""What the user's documentation prints: requests are made, commands are run, tables are compared."""

import json
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.product import Got, Product, in_process, run_to_end, settings_for
from tests.pages import DOCS, blocks, page, table_rows
from tests.world import World

from autonomous_healing.agents import MonitoringSettings
from autonomous_healing.commands.demo_report import missed_targets
from autonomous_healing.commands.start import banner
from autonomous_healing.dashboard import gate
from autonomous_healing.dashboard.routes import NEEDED
from autonomous_healing.database import Database
from autonomous_healing.drills import DrillReport, Stage
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE, MEANING
from autonomous_healing.endpoint_healing.relaying import RELAYED
from autonomous_healing.endpoint_healing.strategies import CASCADE
from autonomous_healing.proxy.healing_proxy import FORWARDED

COMMAND = str(Path(sys.executable).with_name("autonomous-healing"))

_EXAMPLE = re.compile(r"<!-- when: (.+?) -->\n```sh\n(curl .*?)```\n+```http\n(.*?)```", re.DOTALL)

#: Names that carry something of the moment, whatever the example.
_OF_THE_MOMENT = {"date", "content-length", "server"}


@dataclass(frozen=True, kw_only=True, slots=True)
class When:
    """The state of the world in an example."""

    faults: tuple[Fault, ...] = ()
    asked_before: bool = False  #: while all was well, so that there is a copy


def _down(source: str) -> tuple[Fault, ...]:
    return (Fault(kind=FaultKind.OUTAGE, source=source),)


WHENS = {
    "all is well": When(),
    "FRED does not answer, and a copy is kept": When(faults=_down("fred_api"), asked_before=True),
    "FRED does not answer, and no copy is kept": When(faults=_down("fred_api")),
    "Polygon does not answer, and no copy is kept": When(faults=_down("polygon_io")),
    "the Exchange Rate API answers 503, and no copy is kept": When(
        faults=(Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api"),)
    ),
    "the first host of Yahoo answers with a web page": When(
        faults=(Fault(kind=FaultKind.HTML, source="yahoo_finance", host=0),)
    ),
    # The first attempt and its retry; what is asked in its place is answered well.
    "FRED gives data of last month, but not of every series": When(
        faults=(Fault(kind=FaultKind.STALE, source="fred_api", exchanges=2),)
    ),
}

PAGES = sorted(
    str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md") if _EXAMPLE.search(file.read_text())
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


@pytest.fixture
async def product(stage: Stage, server_home: Path) -> AsyncIterator[Product]:
    # Every source may be asked again in each example, however many came before it.
    plenty = {"floor": 100}
    async with in_process(settings_for(stage, server_home, healing__retry_budget=plenty)) as product:
        yield product


@dataclass(frozen=True, slots=True)
class Example:
    """A request of a page, and the answer that the page prints."""

    when: str
    command: str
    answer: str

    async def play(self, product: Product, stage: Stage) -> Got:
        state = WHENS[self.when]
        if state.asked_before:
            await ask(product, self.command)
        stage.lay(state.faults)
        got = await ask(product, self.command)
        stage.lay([])
        return got


def examples(name: str) -> list[Example]:
    return [Example(*found) for found in _EXAMPLE.findall(page(name))]


async def ask(product: Product, command: str) -> Got:
    """A `curl` command, at the ports that the product really has."""
    words = shlex.split(command.replace("\\\n", " "))
    [url] = [word for word in words if word.startswith("http")]
    said = [words[n + 1] for n, word in enumerate(words) if word == "-H"]
    headers = {name: value for name, _, value in (line.partition(": ") for line in said)}
    path = url.removeprefix("http://127.0.0.1:5002").removeprefix("http://127.0.0.1:8888")
    return await (product.ask if ":5002/" in url else product.look)(path, **headers)


def printed(answer: str) -> tuple[str, dict[str, str], str]:
    """Status, headers and body of an answer as a page prints it."""
    head, _, body = answer.partition("\n\n")
    first, *lines = head.strip().splitlines()
    return first.split()[1], _comparable(dict(line.split(": ", 1) for line in lines)), body.strip()


def _comparable(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case; ids and figures, which differ from run to run, are made equal."""
    return {
        name.lower(): re.sub(r"\d+", "0", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "id", value))
        for name, value in headers.items()
        if name.lower() not in _OF_THE_MOMENT
    }


def contradictions(answer: str, got: Got) -> Iterator[str]:
    """Where a printed answer and a real one differ; a printed body may be cut short with dots."""
    status, headers, body = printed(answer)
    if status != str(got.status):
        yield f"status {got.status}"
    if headers != _comparable(got.headers):
        yield f"headers {got.headers}"
    if body and "..." not in body and _names(json.loads(body)) != _names(got.json()):
        yield f"body {got.body!r}"


def _names(document: Any) -> Any:
    """What a document is called by, without what differs from run to run."""
    stable = {"type", "title", "status", "code", "error_type", "source", "endpoint", "strategy", "outcome"}
    match document:
        case dict():
            return {
                name: value if name in stable and not isinstance(value, dict | list) else _names(value)
                for name, value in document.items()
            }
        case list():
            return [_names(one) for one in document]
        case _:
            return None


@pytest.mark.parametrize("name", PAGES)
async def test_requests_are_answered_as_printed(product: Product, stage: Stage, name: str) -> None:
    for example in examples(name):
        got = await example.play(product, stage)
        assert list(contradictions(example.answer, got)) == [], f"{example.when}: {example.command}"


async def test_headers_that_are_sent_are_in_the_reference(product: Product, stage: Stage) -> None:
    known = {name.lower() for name in re.findall(r"`([A-Z][A-Za-z-]+)", page("reference/headers.md"))}
    played = [await example.play(product, stage) for name in PAGES for example in examples(name)]

    sent = {name for got in played for name in got.headers} - _OF_THE_MOMENT
    assert "healing-fidelity" in sent
    assert (sent | set(RELAYED) | set(FORWARDED)) - known == set()


async def test_paths_of_both_ports_are_in_the_reference(product: Product) -> None:
    text = page("reference/http.md")
    proxied = {row[0] for row in table_rows(text, "## The proxy")}
    shown_paths = {row[0].strip("`") for row in table_rows(text, "## The dashboard")}
    lost = (await product.ask("/api/none/here")).json()
    described = (await product.look("/api/openapi.json")).json()

    assert {path for path in lost["known"] if f"`{path}`" not in proxied} == set()
    shown_scopes = {row[0].strip("`"): row[1] for row in table_rows(text, "## The dashboard")}
    acts = {row[0].strip("`").removeprefix("POST "): row[1] for row in table_rows(text, "### Acts")}
    assert set(described["paths"]) | {"/ws/health"} == shown_paths | set(acts)
    needed = {gate.described(route): scope.value for route, scope in NEEDED.items()}
    assert needed.pop("GET /api/openapi.json") == "read"
    assert {f"POST {path}": scope for path, scope in acts.items()} == {
        route: scope for route, scope in needed.items() if route.startswith("POST ")
    }
    assert shown_scopes == {
        route.partition(" ")[2]: scope for route, scope in needed.items() if not route.startswith("POST ")
    }
    for path in (path.strip("`") for row in proxied for path in row.split(", ")):
        filled = re.sub(r"\{\w+\}", "1", path)
        assert (await product.ask(filled)).json().get("title") != "Unknown route", path


async def test_pages_say_where_the_dashboard_answers(product: Product) -> None:
    """Every address of the dashboard's port in a page leads somewhere."""
    found = {
        address
        for file in DOCS.rglob("*.md")
        for address in re.findall(r"(?<!POST )http://127\.0\.0\.1:8888(/[^\s'`>)]*)", file.read_text())
    }
    assert "/health-dashboard" in found
    await eventually(lambda: product.application.database.away_since is None, 20)
    for path in found:
        assert (await product.look(path)).status in (200, 422), path


async def test_the_banner_is_as_printed(stage: Stage, server_home: Path) -> None:
    watched = MonitoringSettings().model_dump(mode="json")["endpoints"]
    settings = settings_for(stage, server_home, monitoring__endpoints=watched, monitoring__interval_max=600.0)
    [printed_banner] = blocks(page("howto/run_it.md"), "text")

    async with in_process(settings) as product:
        await eventually(lambda: product.application.database.away_since is None, 20)
        real = banner(product.application, settings)

    assert _with_all_keys(real) == _with_all_keys(printed_banner)


def _with_all_keys(text: str) -> list[str]:
    """The lines of a banner, ports and missing keys aside."""
    lines = re.sub(r":\d+/|  waits for a key", "", text).strip().splitlines()
    return [line for line in lines if not line.startswith("  no key")]


@pytest.mark.parametrize(
    "words",
    [
        *("", "start", "demo", "config", "config check", "config show", "config reference"),
        *("token", "token create", "audit", "audit verify"),
        *("key", "key add", "key list", "key rotate", "key remove"),
        *("key quarantine", "key release", "key encryption-key"),
    ],
)
async def test_the_help_of_commands_is_as_printed(words: str) -> None:
    code, said = await run_to_end(COMMAND, *words.split(), "--help")

    assert code == 0
    printed_help = blocks(page("reference/commands.md"), "text")
    assert said.strip() in [block.strip() for block in printed_help]


async def test_columns_of_all_tables_are_in_the_reference(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT table_name, column_name FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name !~ '_(default|[0-9]{8})$'
        """
    )
    missing = []
    text = page("reference/tables.md")
    for table, column in rows:
        below = " ".join(row[0] for row in table_rows(text, f"## {table}"))
        inherited = table == "error_events_with_cure" and f"`{column}`" in text
        if f"`{column}`" not in below and not inherited:
            missing.append((table, column))
    assert len(rows) > 100
    assert missing == []


async def test_the_tables_of_the_reference_exist(database: Database) -> None:
    tables = re.findall(r"^## (\w+)$", page("reference/tables.md"), re.MULTILINE)
    assert len(tables) >= 10
    for table in tables:
        await database.fetch(f"SELECT * FROM {table} LIMIT 0")


async def test_queries_of_the_pages_are_understood(database: Database) -> None:
    [*_, queries] = blocks(page("howto/use_your_own_postgresql.md"), "sql")
    asked = [*blocks(page("howto/read_a_trail.md"), "sql"), *queries.split(";")]
    done = [await database.execute(query.strip().rstrip(";")) for query in asked if query.strip()]
    assert len(done) >= 2


async def test_the_strategy_of_the_page_cures() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page("howto/add_a_strategy.md"), "python"):
        exec(block, names)

    await names["test_gives_bars_of_hours_where_those_of_minutes_fail"]()
    names["replace"] = lambda answer, **_: answer  # forgets to say what it brings
    with pytest.raises(AssertionError):
        await names["test_gives_bars_of_hours_where_those_of_minutes_fail"]()


def test_the_cascade_is_as_printed() -> None:
    rows = table_rows(page("reference/strategies.md"), "## The cascade")

    assert [tuple(row) for row in rows] == [
        (error_type, source, ", ".join(names))
        for error_type, by_source in CASCADE.items()
        for source, names in by_source.items()
    ]


def test_levels_and_costs_of_strategies_are_as_printed() -> None:
    text = page("reference/strategies.md")
    strategies = World().healer.cascade.strategies

    assert {tuple(row) for row in table_rows(text, "# Strategies")} == {
        (f"`{name}`", ", ".join(level.word for level in sorted(one.levels)), f"{one.cost:g}")
        for name, one in strategies.items()
    }
    assert [name for name in strategies if f"**`{name}`**" not in text] == []


def test_codes_and_their_types_are_as_printed() -> None:
    rows = table_rows(page("reference/error_types.md"), "# Error types")

    assert {tuple(row[:3]) for row in rows} == {
        (f"`{code}`", ERROR_TYPE.get(code, ""), meaning) for code, meaning in MEANING.items()
    }
    assert all(row[3] for row in rows)
    assert len(set(ERROR_TYPE.values())) == 10


def test_figures_of_the_demo_are_explained() -> None:
    text = page("demo.md")
    explained = " ".join(row[0] for row in table_rows(text, "## What each figure means"))

    assert [name for name in DrillReport.__slots__ if f"`{name}`" not in explained] == ["by_error_type"]


def test_targets_of_the_demo_are_as_printed() -> None:
    names: dict[str, Any] = dict.fromkeys(DrillReport.__slots__, 1)
    names |= {"healing_success": 0.0, "detection_mean_s": 9.0, "healing_mean_s": 9.0}
    worst = DrillReport(**names | {"by_error_type": {}, "events_stored": 0})
    section = page("demo.md").split("## The targets")[1].split("##")[0]

    assert re.findall(r"^- `(.+)`$", section, re.MULTILINE) == missed_targets(worst)


def test_a_false_answer_is_noticed() -> None:
    got = Got(status=503, headers={"retry-after": "3"}, body=b'{"status": 503, "code": "API.TIMEOUT"}')
    true = 'HTTP/1.1 503 Service Unavailable\nRetry-After: 30\n\n{"status": 503, "code": "API.TIMEOUT"}'

    assert list(contradictions(true, got)) == []
    for false in (
        true.replace("503 S", "200 S"),
        true.replace("Retry-After: 30", "Retry-After: soon"),
        true.replace("Retry-After: 30\n", ""),
        true.replace("TIMEOUT", "UNREACHABLE"),
        true.replace('"status": 503, ', ""),
    ):
        assert list(contradictions(false, got))


def test_links_of_the_pages_lead_somewhere() -> None:
    broken = [
        (str(file.relative_to(DOCS)), target)
        for file in DOCS.rglob("*.md")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text())
        if not (file.parent / target).exists()
    ]
    assert broken == []
