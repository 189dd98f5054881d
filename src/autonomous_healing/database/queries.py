"""SQL statements from a `.sql` file beside the code that uses them, each with a name and a sentence."""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

_HEAD = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def load_queries(package: str, file_name: str) -> Mapping[str, str]:
    """The statements of a file by name, without their comments.

    Raises `ValueError` for a statement without a sentence, a name used twice or text before the first name.
    """
    text = resources.files(package).joinpath(file_name).read_text(encoding="utf-8")
    return parse_queries(text, file_name)


def parse_queries(text: str, file_name: str) -> Mapping[str, str]:
    """The same for text that is already here; `file_name` is for the messages."""
    preamble, *parts = _HEAD.split(text)
    if preamble.strip():
        raise ValueError(f"{file_name}: text before the first `-- name --`")
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise ValueError(f"{file_name}: the name {name} is used twice")
        statements[name] = _without_sentence(name, body, file_name)
    return MappingProxyType(statements)


def _without_sentence(name: str, body: str, file_name: str) -> str:
    lines = body.strip().splitlines()
    count = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    if not count:
        raise ValueError(f"{file_name}: {name} has no sentence that says what it is for")
    if count == len(lines):
        raise ValueError(f"{file_name}: {name} has no statement")
    return "\n".join(lines[count:])
