"""`autonomous-healing VERB`: a file for each verb."""

import cyclopts

#: Each is loaded when it is asked for: a running product has no use for the drills.
VERBS = {
    "start": "Run the product until a signal.",
    "demo": "Show the product at work and judge it; exit code 1 when a target is missed.",
    "config": "Look at the configuration.",
    "key": "Look after the keys of the sources. A product that runs follows in seconds.",
    "token": "Make bearer tokens.",
    "audit": "Look at the audit log.",
}


def main() -> None:
    """The console script."""
    app = cyclopts.App(name="autonomous-healing", help="A truthful answer when a data endpoint fails.")
    for verb, sentence in VERBS.items():
        app.command(f"{__name__}.{verb}:{verb}", name=verb, help=sentence)
    app()
