"""The files that lie in the package, wherever it is installed."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    media_type: str
    etag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """All of `static/` by name."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        body = file.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        found[file.name] = StaticFile(body, MEDIA_TYPES[file.name.rpartition(".")[2]], etag)
    return found


@cache
def words() -> dict[str, str]:
    """Every string that people read, by its key; the scripts read the same file."""
    catalogue: dict[str, str] = json.loads(static_files()["words.json"].body)
    return catalogue
