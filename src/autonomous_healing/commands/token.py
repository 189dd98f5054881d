"""`autonomous-healing token create`."""

from datetime import timedelta
from typing import Annotated

import cyclopts
from cyclopts.validators import Number
from rich.console import Console

from autonomous_healing.resilience import SystemClock
from autonomous_healing.safety.options import Scope, TokenSettings
from autonomous_healing.safety.tokens import hash_of, new_token
from autonomous_healing.settings.text import to_flow

#: Exit code for what cannot be made.
REFUSED = 2

token = cyclopts.App(name="token", help="Make bearer tokens.")


@token.command
def create(
    *,
    name: Annotated[str, cyclopts.Parameter(help="Whose it is: small letters, digits, '_', '.' and '-'.")],
    scope: Annotated[
        list[Scope], cyclopts.Parameter(help="What it allows; may be given more than once.", negative="")
    ],
    days: Annotated[
        int | None,
        cyclopts.Parameter(help="Days until it ends; never unless given.", validator=Number(gte=1, lte=3650)),
    ] = None,
) -> int:
    """Print a new token, this once, and its line for the configuration."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    fresh = new_token()
    ends = None if days is None else SystemClock().now().replace(microsecond=0) + timedelta(days=days)
    try:
        entry = TokenSettings(name=name, hash=hash_of(fresh), scopes=tuple(scope), expires_at=ends)
    except ValueError:
        console.print(
            "--name: 1 to 41 small letters, digits, '_', '.' and '-', a letter or digit first", style="red"
        )
        return REFUSED
    console.print(fresh)
    console.print("\nIt is shown this once. Below auth.tokens of the configuration goes only its hash:\n")
    console.print(f"    - {to_flow(entry)}")
    return 0
