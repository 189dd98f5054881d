"""Rules on files that are not Python."""

import re
from collections.abc import Iterator
from pathlib import Path

#: Parts of the host names of package indexes; put together here, so that this file does not hold them.
INDEX_HOSTS = ("py" + "pi", "npm" + "js", "python" + "hosted")

README_LINES = 120
SCRIPT_LINES = 20

_PIN = re.compile(r"^[a-z0-9._-]+==[^ ]+( ; .*)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def index_hosts(text: str) -> Iterator[str]:
    """Names of package indexes, in any writing: a machine behind a mirror has none of them."""
    yield from (host for host in INDEX_HOSTS if host in text.lower())


def loose_pins(lock: str) -> Iterator[str]:
    """Lines of a lock file that are neither a version nor its hash, and versions without a hash."""
    previous = ""
    for line in lock.splitlines():
        if not (_PIN.match(line) or _HASH.match(line)):
            yield line
        if _PIN.match(previous) and not _HASH.match(line):
            yield previous
        previous = line


def faults_of_script(text: str, name: str) -> Iterator[str]:
    """What a script of ours lacks."""
    lines = text.splitlines()
    if lines[0] != "#!/usr/bin/env bash" or not lines[1].startswith("# "):
        yield "does not say what it is"
    if "set -euo pipefail" not in lines:
        yield "goes on after an error"
    if len(lines) >= SCRIPT_LINES:
        yield f"has {len(lines)} lines"
    if name != "setup" and "scripts/setup" not in text:
        yield "does not set up first"


def links_of(page: str) -> Iterator[str]:
    """Files that a document links to, without the part of the page."""
    for link in re.findall(r"\]\(([^)#]+)", page):
        if "://" not in link:
            yield link


def readable(file: Path) -> str:
    """The file as text; what is no UTF-8 is shown as marks."""
    return file.read_text(encoding="utf-8", errors="replace")
