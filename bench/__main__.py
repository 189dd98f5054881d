"""`python -m bench NAME [OPTIONS]`: runs the measurement of that name."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

#: Exit code of a wrong call, as of a wrong option.
WRONG_CALL = 2


def known() -> list[str]:
    """Names of the modules in this package that have a `main`."""
    files = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return [file.stem for file in files if "\ndef main(" in file.read_text(encoding="utf-8")]


def main(argv: Sequence[str]) -> int:
    """Hand the options to the named measurement; its exit code is ours."""
    name, *options = argv or [""]
    if name not in known():
        complaint = f"no measurement called {name!r}" if name else "a measurement must be named"
        sys.stderr.write(f"{complaint}; known: {', '.join(known())}\n")
        return WRONG_CALL
    code: int = import_module(f"bench.{name}").main(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
