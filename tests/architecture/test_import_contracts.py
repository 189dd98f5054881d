"""The import contracts hold the floors: each is shown to break when it should."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture.reading import PACKAGE, ROOT


def copy_of_the_product(folder: Path) -> Path:
    package = folder / "src" / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return package


def lint_imports(folder: Path) -> str:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


FLOORS = "Each floor imports only the floors below it"
CIRCLES = "No circles, also type-only"
DECIDING = "Deciding does no I/O"
TWINS = "The twins cannot know what they judge"


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("safety/guard.py", "import autonomous_healing.healing.journal", FLOORS),
        ("resilience/backoff.py", "import autonomous_healing.toon", FLOORS),
        ("wire/origin.py", "import autonomous_healing.resilience.clock", FLOORS),
        ("resilience/clock.py", "import autonomous_healing.wire.origin", FLOORS),
        ("resilience/clock.py", "import autonomous_healing.resilience.deadline", CIRCLES),
        (
            "resilience/clock.py",
            "if TYPE_CHECKING:\n    import autonomous_healing.resilience.deadline",
            CIRCLES,
        ),
        ("endpoint_healing/diagnosis.py", "import asyncio", DECIDING),
        ("safety/guard.py", "import logging", DECIDING),
        ("safety/access.py", "import asyncpg", DECIDING),
        ("drills/twins/noise.py", "import autonomous_healing.toon", TWINS),
    ],
)
def test_notices(tmp_path: Path, file: str, line: str, contract: str) -> None:
    with (copy_of_the_product(tmp_path) / file).open("a", encoding="utf-8") as changed:
        changed.write(f"\nimport typing\n{line}\n")

    assert f"{contract} BROKEN" in lint_imports(tmp_path)


def test_every_contract_is_kept(tmp_path: Path) -> None:
    copy_of_the_product(tmp_path)

    assert " 0 broken." in lint_imports(tmp_path)
