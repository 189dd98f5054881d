"""The events that the product logs, as the code says them and as the documents list them."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.architecture.reading import Offence, Source

_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<levels>[\w, ]+) \| (?P<values>[^|]*) \| [^|]+ \|$", re.M)


@dataclass(frozen=True, slots=True)
class Event:
    """What can be relied on in one event of the log."""

    levels: frozenset[str]
    values: frozenset[str]


def said(sources: Iterable[Source]) -> Mapping[str, Event]:
    """By name, over all places that say it."""
    levels: dict[str, set[str]] = defaultdict(set)
    values: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for call, level in _calls(source):
            match call.args:
                case [ast.Constant(value=str(name)), *_]:
                    levels[name].add("error" if level == "exception" else level)
                    values[name].update(_keys(call))
    return {name: Event(frozenset(levels[name]), frozenset(values[name])) for name in levels}


def listed(page: str) -> Mapping[str, Event]:
    """By name, from the table `| name | level | values | when |`."""
    events = {}
    for row in _ROW.finditer(page):
        values = re.findall(r"`(\w+)`", row["values"])
        events[row["name"]] = Event(frozenset(row["levels"].split(", ")), frozenset(values))
    return events


def prose(source: Source) -> Iterator[Offence]:
    """Calls to the log that name no event: a made-up text, or a level that is found out as it runs."""
    for call, _ in _calls(source):
        match call.args:
            case [ast.Constant(value=str(name))] if re.fullmatch(r"[a-z]+(_[a-z]+)+", name):
                continue
        yield call.lineno, f"logs {ast.unparse(call)[:60]}"


def _calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=level)):
                if level in _LEVELS:
                    yield node, level


def _keys(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="extra", value=ast.Dict(keys=keys)):
                yield from (ast.literal_eval(key) for key in keys if isinstance(key, ast.Constant))
