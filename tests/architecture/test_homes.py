"""Where outside libraries live, and what the twins may know."""

import re
import tomllib

import pytest
from tests.architecture.homes import strays, ties_of_twins
from tests.architecture.reading import ROOT, Rule, offences, product, snippet


def test_each_library_has_one_home() -> None:
    assert offences(strays, product()) == []


def test_the_twins_know_only_each_other_and_time() -> None:
    assert offences(ties_of_twins, product()) == []


def test_the_documents_say_why_each_dependency_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    declared = [re.split(r"[^a-z0-9-]", requirement)[0] for requirement in wanted]
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert len(declared) > 20
    assert [name for name in declared if f"\n| `{name}` |" not in explained] == []


@pytest.mark.parametrize(
    ("rule", "path", "bad"),
    [
        (strays, "proxy/routes.py", "import asyncpg"),
        (strays, "healing/loop.py", "def f():\n    from fastapi.responses import JSONResponse"),
        (strays, "healing/loop.py", "if TYPE_CHECKING:\n    import aiohttp"),
        (strays, "proxy/server.py", "import a_library_nobody_placed"),
        (ties_of_twins, "drills/twins/server.py", "from autonomous_healing.healing import Journal"),
        (ties_of_twins, "drills/twins/server.py", "import autonomous_healing.drills.judge"),
        (ties_of_twins, "drills/twins/server.py", "from autonomous_healing import toon"),
    ],
)
def test_notices(rule: Rule, path: str, bad: str) -> None:
    assert offences(rule, [snippet(bad, path)])


@pytest.mark.parametrize(
    ("rule", "path", "good"),
    [
        (strays, "alerts/store.py", "import asyncpg"),
        (strays, "proxy/routes.py", "import msgspec, json"),
        (ties_of_twins, "drills/twins/server.py", "from autonomous_healing.resilience import Clock"),
        (ties_of_twins, "drills/judge.py", "from autonomous_healing.healing import Journal"),
    ],
)
def test_lets_pass(rule: Rule, path: str, good: str) -> None:
    assert offences(rule, [snippet(good, path)]) == []
