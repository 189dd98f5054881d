"""Bearer tokens where they are, and where they should not be: their values go no further than this."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autonomous_healing.safety.options import Scope
from autonomous_healing.safety.tokens import hash_of, holds_token, is_token
from autonomous_healing.settings.faults import BadSettings, Fault

#: `HEALING_API_TOKEN_READ`, or `HEALING_API_TOKEN_READ_GRAFANA` where several have the same scope.
VARIABLE = "HEALING_API_TOKEN_"

#: What to do about one that others can read.
_EXPOSED = (
    "a token itself stands here, and whoever reads it can use it: make another with"
    " `autonomous-healing token create`, and put down its hash only"
)

Entry = Mapping[str, str | Sequence[str]]


def tokens_in(environ: Mapping[str, str]) -> list[Entry]:
    """Entries as `auth.tokens` has them, each named by the rest of its variable. Raises `BadSettings`."""
    entries, faults = list[Entry](), list[Fault]()
    for variable, value in sorted(environ.items()):
        if not variable.startswith(VARIABLE) or not value:
            continue
        name = variable.removeprefix(VARIABLE).lower()
        if wrong := _wrong_with(name, value):
            faults.append(Fault(variable, wrong))
        else:
            entries.append({"name": name, "hash": hash_of(value), "scopes": [_scope_in(name)]})
    if faults:
        raise BadSettings("environment", faults)
    return entries


def _scope_in(name: str) -> str:
    return name.partition("_")[0]


def _wrong_with(name: str, value: str) -> str | None:
    if _scope_in(name) not in set(_scopes()):
        return f"the name goes on with a scope: {', '.join(_scopes())}"
    if not is_token(value):
        return "holds no token as `autonomous-healing token create` makes them"
    return None


def _scopes() -> Iterator[str]:
    return (scope.value for scope in Scope)


def exposed_tokens(tree: Any, path: str = "") -> Iterator[Fault]:
    """Where in a configuration a token stands in plain."""
    if isinstance(tree, str) and holds_token(tree):
        yield Fault(path, _EXPOSED)
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from exposed_tokens(value, f"{path}.{key}".removeprefix("."))
