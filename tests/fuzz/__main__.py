"""Searches for bytes that break a rule of `targets`: guided by coverage where atheris is installed."""

import argparse
import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

from tests.eventually import CLOCK

KEPT = Path("var/fuzz")

_TELLING = [bytes([byte]) for byte in b'\0\t\n\v\r" ,;:/0159afxA-_\x7f\x80\xff'] + [b"\r\n", b"\r\n\r\n", b""]


def guided(seconds: int, seed: int) -> None:
    """Never returns. What was found stays in `var/fuzz`, and is where the next search starts."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["autonomous_healing.wire"]):
        targets = importlib.import_module("tests.fuzz.targets")
    corpus = KEPT / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(targets.seeds()):
        (corpus / f"seed-{number}").write_bytes(example)
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={KEPT}/", "-max_len=2000"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.run)
    atheris.Fuzz()


def blind(seconds: int, seed: int) -> None:
    """Examples with a few bytes changed, put in or left out."""
    from tests.fuzz import targets

    rng, examples, runs = random.Random(seed), list(targets.seeds()), 0
    over = CLOCK.monotonic() + seconds
    while CLOCK.monotonic() < over:
        raw = rng.choice(examples)
        for _ in range(rng.randint(1, 6)):
            at = rng.randint(1, len(raw))
            raw = raw[:at] + rng.choice(_TELLING) + raw[at + rng.randint(0, 2) :]
        try:
            targets.run(raw)
        except BaseException:
            sys.stderr.write(f"broken by {raw!r}\n")
            raise
        runs += 1
    sys.stdout.write(f"{runs} runs in {seconds} s from seed {seed}, none broke a rule\n")


def main() -> None:
    reads = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    reads.add_argument("--seconds", type=int, default=60)
    reads.add_argument("--seed", type=int, default=1)
    reads.add_argument("--blind", action="store_true", help="without atheris")
    asked = reads.parse_args()
    guide = importlib.util.find_spec("atheris") is not None and not asked.blind
    (guided if guide else blind)(asked.seconds, asked.seed)


main()
