"""Rules on names, doors and what functions return."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.architecture.reading import Offence, Source, words
from tests.architecture.sizes import functions

#: Where loose dictionaries are right, because JSON or YAML begins or ends there.
JSON_BORDER = {
    "alerts/alert_json.py": "alerts as the routes send them",
    "dashboard/views/border.py": "views as the routes send them",
    "drills/report.py": "the report of a drill as a file",
    "endpoint_healing/strategies/reduction.py": "providers' bodies, cut and joined",
    "endpoint_healing/trail.py": "a trail as the routes show it",
    "proxy/quote_board.py": "the rows of an answer that the proxy itself puts together",
    "settings/loading.py": "a file as YAML reads it, before it is checked",
}

#: Words that say nothing of what a thing is: not as a name, nor at its end.
EMPTY_WORDS = {
    "util", "utils", "helper", "helpers", "common", "core", "misc", "data", "info", "base",
    "processor", "handler", "handlers", "service", "services", "engine", "manager",
}  # fmt: skip

#: The product's own names, which stay.
OWN_NAMES = {"AlertManager", "UseCachedData", "alerts/manager.py"}


def loose_results(source: Source) -> Iterator[Offence]:
    """Functions that return a dictionary of anything."""
    if source.path in JSON_BORDER:
        return
    for function in functions(source):
        if function.returns is not None and any(_is_loose(part) for part in ast.walk(function.returns)):
            yield function.lineno, f"{function.name} returns a loose dictionary"


def _is_loose(annotation: ast.AST) -> bool:
    match annotation:
        case ast.Subscript(value=ast.Name(id="dict")):
            return ast.unparse(annotation.slice).endswith("Any)")
        case ast.Constant(value=str(quoted)):
            return "dict[str, Any]" in quoted
        case _:
            return False


def empty_names(source: Source) -> Iterator[Offence]:
    """Modules, packages and classes called by a word that says nothing."""
    path = PurePosixPath(source.path)
    for part in {path.stem, *path.parts[:-1]}:
        if source.path not in OWN_NAMES and _is_empty(part):
            yield 1, f"module {part}"
    for node in ast.walk(source.tree):
        match node:
            case ast.ClassDef(name=name) if name not in OWN_NAMES and _is_empty(name):
                yield node.lineno, f"class {name}"


def _is_empty(name: str) -> bool:
    return words(name)[-1:] != [] and words(name)[-1] in EMPTY_WORDS


def silent_doors(source: Source) -> Iterator[Offence]:
    """Packages that do not say in one line what they are."""
    if PurePosixPath(source.path).name != "__init__.py":
        return
    said = ast.get_docstring(source.tree) or ""
    if not said.splitlines() or not said.splitlines()[0].endswith("."):
        yield 1, "does not say what it is"
