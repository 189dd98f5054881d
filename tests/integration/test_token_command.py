"""`autonomous-healing token create` prints what goes into the configuration, and what does not."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.eventually import CLOCK
from tests.integration.product import run_to_end

from autonomous_healing.safety.access import HOLDS, Access, Caller
from autonomous_healing.safety.options import Scope
from autonomous_healing.settings import load_settings


async def created(*arguments: str) -> tuple[int, str]:
    main = (sys.executable, "-c", "from autonomous_healing.commands import main; main()")
    code, said = await run_to_end(*main, "token", "create", *arguments)
    assert "Traceback" not in said
    return code, said


async def test_what_is_printed_lets_its_owner_in_until_it_ends(tmp_path: Path) -> None:
    code, said = await created("--name", "ann", "--scope", "operate", "--scope", "approve", "--days", "30")
    token, *_, line = said.splitlines()
    file = tmp_path / "healing_config.yaml"
    file.write_text(f"auth:\n  tokens:\n{line}\n")
    access, now = Access(load_settings(file, {}).auth), CLOCK.now()

    assert code == 0
    assert said.count(token) == 1
    assert token not in line
    ann = Caller("ann", HOLDS[Scope.OPERATE] | HOLDS[Scope.APPROVE])
    assert access.recognise([f"Bearer {token}"], "192.0.2.7", now) == ann
    assert access.recognise([f"Bearer {token}"], "192.0.2.7", now + timedelta(days=29)) == ann
    assert access.recognise([f"Bearer {token}"], "192.0.2.7", now + timedelta(days=31)) != ann


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "Ann", "--scope", "read"),
        ("--name", "ann", "--scope", "root"),
        ("--name", "ann"),
        ("--name", "ann", "--scope", "read", "--days", "0"),
    ],
)
async def test_what_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    code, said = await created(*arguments)

    assert code != 0
    assert "healing_token_" not in said
