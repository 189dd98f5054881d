"""The overview page as it is before any script runs."""

from collections.abc import Iterable

from autonomous_healing.alerts import Alert
from autonomous_healing.dashboard.files import words
from autonomous_healing.dashboard.markup import Html, joined, tag
from autonomous_healing.dashboard.texts import clock_time, percent, rate, seconds, span, stamp
from autonomous_healing.dashboard.views import (
    AgentRow,
    EndpointHealth,
    HealthSummary,
    Numbers,
    ReportRow,
    SourceHealth,
    Views,
)

#: Healings shown.
LATEST = 8


def overview(views: Views) -> str:
    """The whole document."""
    board, summary, alerts = views.board(), views.summary(), views.open_alerts()
    main = tag(
        "main",
        _alerts(alerts),
        _numbers(board.numbers, len(alerts)),
        _sources(board.sources),
        _healings(views.reports(LATEST).reports),
        _agents(views.agents().agents),
        _endpoints(board.endpoints),
        id="content",
    )
    body = tag("body", _skip_link(), _top(summary), main, _bottom(summary))
    return "<!doctype html>\n" + tag("html", _head(), body, lang="en")


def _head() -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", words()["title"]),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/dashboard.css"),
        tag("script", type="module", src="/static/overview.js"),
    )


def _skip_link() -> Html:
    return tag("a", words()["skip"], class_="skip", href="#content")


def _top(summary: HealthSummary) -> Html:
    say = words()
    title = tag("div", tag("h1", say["title"]), tag("p", say["subtitle"], class_="quiet"))
    healing = tag("span", say["healing"], id="healing-chip", class_="chip", role="status", hidden="hidden")
    live = tag("span", say["still"], id="live", class_="live", data_state="still", role="status")
    state = tag("p", healing, live, _badge(summary.status, id="product-status"), class_="state")
    hint = tag("p", say["no_script"], " ", tag("a", say["reload"], href="/health-dashboard"))
    return joined(tag("header", title, state, class_="top"), tag("noscript", hint))


def _alerts(alerts: Iterable[Alert]) -> Html:
    say = words()
    none = tag("p", say["no_alerts"], class_="quiet empty")
    banners = [_banner(alert) for alert in alerts]
    region = tag(
        "div", *banners, id="banners", role="log", tabindex="0", aria_live="polite", aria_label=say["alerts"]
    )
    return tag("section", region, none, class_="alerts", aria_label=say["alerts"])


def _banner(alert: Alert) -> Html:
    text = tag("p", tag("strong", f"{alert.level.word.upper()}: {alert.title}"), " ", alert.message)
    return tag("article", text, class_=f"banner {alert.level.word}", data_alert=alert.id)


def _numbers(numbers: Numbers, alerts: int) -> Html:
    say = words()
    runs = numbers.healed + numbers.not_healed
    healed = f"{numbers.healed} {say['of']} {runs} {say['healed_of']}"
    stored = f"{say['of']} {numbers.events_accepted}; {numbers.events_pending} {say['waiting']}"
    stored += f", {numbers.events_dropped} {say['dropped']}"
    cards = (
        _card("healing_success", rate(numbers.healing_success), healed),
        _card("healing_time", seconds(numbers.avg_healing_time), say["mean"]),
        _card("detection_time", seconds(numbers.avg_detection_time), say["mean"]),
        _card("user_errors", str(numbers.user_facing_errors), say["user_errors_note"]),
        _card("active_alerts", str(alerts), ""),
        _card("events", str(numbers.events_stored), stored),
    )
    return _section("numbers", tag("dl", *cards, class_="cards"))


def _card(name: str, value: str, note: str) -> Html:
    number = tag("dd", value, class_="number", data_number=name)
    below = tag("dd", note, class_="quiet", data_note=name) if note else None
    return tag("div", tag("dt", words()[name]), number, below)


def _sources(sources: Iterable[SourceHealth]) -> Html:
    return _section("sources", tag("div", *(_source(row) for row in sources), class_="sources"))


def _source(row: SourceHealth) -> Html:
    say = words()
    figures = (
        ("uptime", percent(row.uptime_percentage)),
        ("error_rate", rate(row.error_rate)),
        ("avg_response", seconds(row.avg_response_time)),
        ("healing_rate", rate(row.healing_rate)),
    )
    pairs = (
        tag("div", tag("dt", say[name]), tag("dd", value, class_=name.replace("_", "-")))
        for name, value in figures
    )
    head = tag("header", tag("h3", row.display_name, class_="source-name"), _badge(row.status))
    figures_list = tag("dl", *pairs, class_="figures")
    return tag("article", head, _bar(row), figures_list, class_="health-indicator", data_source=row.source)


def _bar(row: SourceHealth) -> Html:
    """A drawing, for its width may not come from an inline style."""
    label = f"{words()['uptime']} {percent(row.uptime_percentage)}, {row.status}"
    fill = tag("rect", class_=f"fill {row.status}", width=f"{row.uptime_percentage or 0:.2f}%", height="100%")
    return tag("svg", fill, class_="health-bar", role="img", aria_label=label)


def _badge(status: str, id: str | None = None) -> Html:
    return tag("span", status, class_=f"status-badge {status}", id=id)


def _healings(reports: Iterable[ReportRow]) -> Html:
    rows = [_healing(row) for row in reports]
    heads = ("time", "endpoint", "fault", "outcome", "took")
    none = tag("p", words()["no_healings"], class_="quiet empty")
    return _section("healings", joined(_table(heads, rows, "healings"), none))


def _healing(row: ReportRow) -> Html:
    say = words()
    trail = tag("a", clock_time(row.at), href=f"/api/healing/trails/{row.id}")
    place = f"{row.source or row.patient}{row.endpoint or ''}"
    how = f"{say['healed_by']} {row.strategy}" if row.strategy else say["not_healed"]
    return _row(
        ("time", trail),
        ("endpoint", place),
        ("fault", row.code),
        ("outcome", tag("span", how, class_=f"outcome {row.status}")),
        ("took", seconds(row.heal_seconds)),
    )


def _agents(agents: Iterable[AgentRow]) -> Html:
    rows = [_agent(row) for row in agents]
    heads = ("agent", "state", "last_success", "inbox", "processed", "restarts")
    none = tag("p", words()["no_agents"], class_="quiet empty")
    return _section("agents", joined(_table(heads, rows, "agents"), none))


def _agent(row: AgentRow) -> Html:
    state = f"{row.state}, {row.health.lower()}"
    return _row(
        ("agent", row.id),
        ("state", tag("span", state, class_=f"state-word {row.state}")),
        ("last_success", stamp(row.last_success)),
        ("inbox", str(row.inbox_depth)),
        ("processed", str(row.processed)),
        ("restarts", str(row.restarts)),
    )


def _endpoints(endpoints: Iterable[EndpointHealth]) -> Html:
    rows = [_endpoint(row) for row in endpoints]
    heads = ("endpoint", "status", "requests", "error_rate", "avg_response", "breaker", "last_success")
    return _section("endpoints", _table(heads, rows, "endpoints"))


def _endpoint(row: EndpointHealth) -> Html:
    place = f"{row.source}{row.endpoint}"
    dot = tag("span", class_=f"dot {row.status}", aria_hidden="true")
    status = tag("span", dot, tag("span", row.status, class_="word"))
    return _row(
        ("endpoint", place),
        ("status", status),
        ("requests", str(row.total_requests)),
        ("error_rate", rate(row.error_rate)),
        ("avg_response", seconds(row.avg_response_time)),
        ("breaker", row.breaker.replace("_", " ")),
        ("last_success", stamp(row.last_success)),
        key=place,
    )


def _bottom(summary: HealthSummary) -> Html:
    say = words()
    facts = (
        f"{say['updated']} ",
        tag("span", stamp(summary.timestamp), id="updated"),
        f" · {say['storage']} ",
        tag("span", summary.storage, id="storage"),
        f" · {say['running_for']} {span(summary.uptime)}",
    )
    links = (
        tag("a", "API", href="/api/openapi.json"),
        " · ",
        tag("a", "Metrics", href="/metrics"),
    )
    return tag("footer", tag("p", *facts), tag("p", *links))


def _section(name: str, content: Html) -> Html:
    heading = f"{name}-heading"
    return tag("section", tag("h2", words()[name], id=heading), content, aria_labelledby=heading)


def _table(heads: Iterable[str], rows: Iterable[Html], name: str) -> Html:
    cells = (tag("th", words()[head], scope="col") for head in heads)
    return tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *rows, id=f"{name}-rows"), class_=name)


def _row(*cells: tuple[str, str], key: str | None = None) -> Html:
    """A cell names its column, for narrow screens where there is no head."""
    say = words()
    written = (tag("td", value, data_label=say[name], data_cell=name) for name, value in cells)
    return tag("tr", *written, data_key=key)
