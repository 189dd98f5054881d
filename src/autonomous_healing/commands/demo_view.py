"""What the terminal shows while the demo runs."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autonomous_healing.application import Application
from autonomous_healing.drills import Answer

COLOURS = {
    "healthy": "green",
    "degraded": "yellow",
    "critical": "orange3",
    "failed": "red",
    "unknown": "grey50",
}

#: Heals and alerts shown at once.
LINES = 6


class DemoView:
    """Counts answers as they come and draws the product's own state beside them."""

    def __init__(self, application: Application, total: int) -> None:
        self._application = application
        self._counts: Counter[str] = Counter()
        self._progress = Progress(
            TextColumn("requests"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("requests", total=total)

    def heard(self, answer: Answer) -> None:
        self._progress.advance(self._task)
        self._counts[answer.headers.get("healing-status", "untouched") if answer.good else "error"] += 1

    def line(self) -> str:
        """One line, for an output that is no terminal."""
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self._counts.items()))
        alerts = len(self._application.alerts.open())
        return f"{sum(self._counts.values())} answers: {counts}; {alerts} open alerts"

    def draw(self) -> Group:
        host = self._application.settings.server.host
        address = f"http://{host}:{self._application.dashboard.port}/health-dashboard"
        away = self._application.database.away_since
        state = Text(f"dashboard {address}   database {'away, spooling' if away else 'there'}")
        return Group(
            self._progress,
            state,
            Text(self.line()),
            self._sources(),
            Panel(self._heals(), title="latest healings"),
            Panel(self._alerts(), title="open alerts"),
        )

    def _sources(self) -> Table:
        table = Table("endpoint", "status", "calls", "error rate", "healed", expand=True)
        for endpoint in self._application.endpoints:
            health = self._application.parts.admission.window(endpoint).read()
            table.add_row(
                endpoint.place,
                Text(health.status_word, style=COLOURS[health.status_word]),
                str(health.total),
                _percent(health.error_rate),
                _percent(health.healed_share),
            )
        return table

    def _heals(self) -> Text:
        recent = self._application.journal.recent()[-LINES:]
        return _lines([str(report) for report in reversed(recent)])

    def _alerts(self) -> Text:
        alerts = self._application.alerts.open()[:LINES]
        return _lines([f"{one.level.word.upper():8} {one.title}: {one.message}" for one in alerts])


def _percent(share: float | None) -> str:
    return "no data" if share is None else f"{100 * share:.1f} %"


def _lines(rows: Sequence[str]) -> Text:
    return Text("\n".join(rows) or "none")
