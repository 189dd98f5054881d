"""Rules on what code may do to the world around it: stop errors, wait, print, share state."""

import ast
from collections.abc import Iterator

from tests.architecture.reading import Offence, Source, imported, last_name

#: Where an unexpected error is stopped, on purpose, so that others can go on.
BULKHEADS = {
    "agents/agent.py": "one poisoned item must not end the agent",
    "agents/orchestrator.py": "a crashed worker is started again",
    "proxy/healing_proxy.py": "one request that nobody foresaw must not end as a dropped connection",
    "healing/loop.py": "a broken strategy must not cost the user the next one",
}

#: The one file that knows the machine's time.
CLOCK = "resilience/clock.py"

_WAITING = {"time", "asyncio"}
_MUTABLE = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter"}


def broad_excepts(source: Source) -> Iterator[Offence]:
    """Handlers that take any error, and `suppress` of any, unless they pass it on at their end."""
    if source.path in BULKHEADS:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.ExceptHandler(type=kind) if _takes_all(kind) and not _passes_on(node):
                yield node.lineno, "stops every error"
            case ast.Call(func=called, args=kinds) if last_name(called) == "suppress":
                if any(_takes_all(kind) for kind in kinds):
                    yield node.lineno, "suppresses every error"


def _takes_all(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_takes_all(member) for member in kind.elts)
    return kind is None or last_name(kind) in {"Exception", "BaseException"}


def _passes_on(handler: ast.ExceptHandler) -> bool:
    end = handler.body[-1]
    return isinstance(end, ast.Raise) and end.exc is None


def prints(source: Source) -> Iterator[Offence]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node.lineno, "prints"


def globals_rebound(source: Source) -> Iterator[Offence]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            yield node.lineno, f"rebinds global {', '.join(node.names)}"


def mutable_defaults(source: Source) -> Iterator[Offence]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            given = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            yield from (
                (node.lineno, "shares a mutable default") for default in given if _is_mutable(default)
            )


def _is_mutable(default: ast.expr) -> bool:
    if isinstance(default, ast.Call):
        return last_name(default.func) in _MUTABLE
    return isinstance(default, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def patching(source: Source) -> Iterator[Offence]:
    """The world is replaced in tests, our code is not."""
    for line, module in imported(source):
        if module.split(".")[0] == "mock" or module.startswith("unittest"):
            yield line, f"imports {module}"
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="monkeypatch"), attr="setattr" | "setitem"):
                yield node.lineno, "patches an object"
            case ast.arg(arg="mocker"):
                yield node.lineno, "asks for a patcher"
            case ast.ImportFrom(module="unittest", names=names) if any(
                alias.name == "mock" for alias in names
            ):
                yield node.lineno, "imports unittest.mock"


def easy_skips(source: Source) -> Iterator[Offence]:
    """Tests that may be left out in CI too: only a condition that asks for `CI` may leave one out."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="skipif"), args=[condition, *_]):
                if "'CI'" not in ast.unparse(condition):
                    yield node.lineno, "skips in CI too"
            case ast.Attribute(value=ast.Name(id="pytest") | ast.Attribute(attr="mark"), attr=verb):
                if verb in {"skip", "importorskip", "xfail"}:
                    yield node.lineno, f"uses {verb}"


def waits(source: Source) -> Iterator[Offence]:
    """Sleeping by other means than an injected clock."""
    if source.path == CLOCK:
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr="sleep") if module in _WAITING:
                yield node.lineno, f"uses {module}.sleep"
            case ast.ImportFrom(module=str(module), names=names) if module in _WAITING:
                if any(alias.name == "sleep" for alias in names):
                    yield node.lineno, f"imports sleep of {module}"


def reads_the_time(source: Source) -> Iterator[Offence]:
    """Asking the machine for the time instead of a clock that is given."""
    if source.path == CLOCK:
        return
    for line, module in imported(source):
        if module == "time":
            yield line, "imports time"
    for node in ast.walk(source.tree):
        match node:
            case ast.Attribute(value=kind, attr="now" | "utcnow" | "today" as verb):
                if last_name(kind) in {"datetime", "date"}:
                    yield node.lineno, f"uses {last_name(kind)}.{verb}"
