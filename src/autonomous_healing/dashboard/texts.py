"""Numbers and times as people read them; what is not known is said to be so."""

from datetime import datetime

from autonomous_healing.dashboard.files import words


def rate(fraction: float | None) -> str:
    """A fraction 0..1 in percent."""
    return words()["no_data"] if fraction is None else f"{100 * fraction:.2f} %"


def percent(value: float | None) -> str:
    return words()["no_data"] if value is None else f"{value:.2f} %"


def seconds(value: float | None) -> str:
    return words()["no_data"] if value is None else f"{value:.3f} s"


def stamp(moment: datetime | None) -> str:
    """Date and time to the second, in UTC."""
    return words()["no_data"] if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def clock_time(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """ "2 d 3 h", "4 min 5 s": the two largest units."""
    whole = int(seconds)
    units = (
        ("d", whole // 86_400),
        ("h", whole // 3600 % 24),
        ("min", whole // 60 % 60),
        ("s", whole % 60),
    )
    first = next((n for n, (_, count) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {name}" for name, count in units[first : first + 2])
