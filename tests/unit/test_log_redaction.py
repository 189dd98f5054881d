"""Every line of the log goes through redaction, whoever says it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SAYS = """
import logging, sys
from autonomous_healing.settings.logs import configure_logging, redact_logs
from autonomous_healing.settings.options import LoggingSettings

configure_logging(LoggingSettings(format=sys.argv[1], dir=sys.argv[2]))
redact_logs(lambda text: text.replace("canary", "[gone]"))
log = logging.getLogger("a library")
log.warning("asked_for_canary", extra={"url": "https://x.test/canary", "more": ["canary"]})
try:
    raise ValueError("https://x.test/canary")
except ValueError:
    log.exception("it_failed")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_line_and_no_traceback_shows_what_is_secret(form: str, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _SAYS, form, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stderr
    in_file = (tmp_path / "autonomous_healing.log").read_text()
    assert "canary" not in said + in_file
    assert said.count("[gone]") >= 4
    first, second = [json.loads(line) for line in in_file.splitlines()]
    assert (first["event"], first["more"]) == ("asked_for_[gone]", ["[gone]"])
    assert "ValueError: https://x.test/[gone]" in second["exception"]
