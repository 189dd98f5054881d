"""Logs as events: a name in the past tense, and values as keys."""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from autonomous_healing.settings.options import LoggingSettings

#: Libraries whose own chatter is not ours.
QUIET = ("aiohttp.access", "asyncio", "uvicorn.access", "uvicorn.error", "websockets")


def configure_logging(settings: LoggingSettings, part: str = "") -> None:
    """To standard error, and to rotated files where a directory is set: one for each part of it."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if settings.dir:
        directory = Path(settings.dir)
        directory.mkdir(parents=True, exist_ok=True)
        size = settings.rotate_mb * 1_048_576
        handlers.append(
            logging.handlers.RotatingFileHandler(
                directory / (f"autonomous_healing.{part}.log" if part else "autonomous_healing.log"),
                maxBytes=size,
                backupCount=settings.keep,
            )
        )
    as_text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    for handler in handlers:
        handler.setFormatter(_formatter(as_text and handler is handlers[0]))
    logging.basicConfig(level=settings.level.upper(), handlers=handlers, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Whoever sends what is no HTTP would fill the log with tracebacks, and with whatever the line held.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def redact_logs(redact: Callable[[str], str]) -> None:
    """Whatever is said from now on goes through it: a library may put into words what we never would."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Redacting(handler.formatter or logging.Formatter(), redact))


class _Redacting(logging.Formatter):
    """Another formatter's lines, less what is secret."""

    def __init__(self, lines: logging.Formatter, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._lines = lines
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._lines.format(record))


def _formatter(as_text: bool) -> logging.Formatter:
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if as_text
        else structlog.processors.JSONRenderer(default=str)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if as_text else [structlog.processors.format_exc_info]),
            last,
        ],
    )
