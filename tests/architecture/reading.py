"""The sources as the house rules read them: parsed once, named by their path."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "autonomous_healing"

#: Where, by line, and what.
Offence = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file. `path` is relative: to the package for the product, to the repository for the rest."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")


Rule = Callable[[Source], Iterator[Offence]]


def snippet(text: str, path: str = "proxy/routes.py") -> Source:
    """A made-up file, to show that a rule sees what it is there for."""
    return Source(path, text, ast.parse(text))


@cache
def product() -> tuple[Source, ...]:
    """What lies under src."""
    return tuple(_read(file, PACKAGE) for file in sorted(PACKAGE.rglob("*.py")))


@cache
def beside_it() -> tuple[Source, ...]:
    """The tests and the measurements."""
    return tuple(
        _read(file, ROOT) for folder in ("tests", "bench") for file in sorted((ROOT / folder).rglob("*.py"))
    )


def _read(file: Path, top: Path) -> Source:
    text = file.read_text(encoding="utf-8")
    return Source(file.relative_to(top).as_posix(), text, ast.parse(text))


def offences(rule: Rule, sources: Iterable[Source]) -> list[str]:
    """What the rule finds, as `path:line what`."""
    return [f"{source.path}:{line} {what}" for source in sources for line, what in rule(source)]


def tracked_files() -> list[Path]:
    """Text files that are, or are about to be, in the repository."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = (ROOT / name for name in sorted(names.split("\0")) if name)
    return [file for file in files if file.is_file() and not file.is_symlink()]


def last_name(node: ast.expr) -> str:
    """`b` of `a.b`, `b` of `b`, else nothing."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def imported(source: Source) -> Iterator[Offence]:
    """Every module that the file imports, anywhere in it, by its full name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def words(name: str) -> list[str]:
    """The words of a name in either writing: `AlertManager` and `alert_manager` both have two."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
