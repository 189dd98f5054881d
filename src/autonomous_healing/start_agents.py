"""Entry: the whole product from a checkout, without anything installed but what `scripts/setup` brings."""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def main() -> None:
    """`python3 src/autonomous_healing/start_agents.py` and `python -m autonomous_healing`."""
    if not __package__:
        _find_the_package()
    import cyclopts

    from autonomous_healing.commands.start import start

    cyclopts.run(start)


def _find_the_package() -> None:
    """Run as a file, Python looks for modules beside it and not for the package around it."""
    sys.path[0] = str(_PACKAGE.parent)
    python = _PACKAGE.parents[1] / ".venv" / "bin" / "python"
    try:
        import cyclopts  # noqa: F401  the first of the libraries that a bare Python lacks
    except ModuleNotFoundError:
        if python.exists() and Path(sys.prefix) != python.parents[1]:
            os.execv(python, [str(python), __file__, *sys.argv[1:]])
        sys.exit("autonomous_healing is not set up here: run scripts/setup, then scripts/start")


if __name__ == "__main__":
    main()
