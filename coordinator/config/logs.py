"""One line an event, key=value or JSON, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict


def printable(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escapes control characters in texts that came from outside: they could move a terminal.

    Ends of lines stay, the renderer escapes those.
    """
    return {
        name: _escaped(value) if isinstance(value, str) and not value.isprintable() else value
        for name, value in event.items()
    }


def _escaped(text: str) -> str:
    return "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text
    )


def renderer(log_format: str) -> structlog.typing.Processor:
    """What makes a line of an event: "json", or else key=value."""
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])


def configure_logs(level: int = logging.INFO, log_format: str = "logfmt") -> None:
    """Sets up structlog, and sends what libraries log the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            printable,
            renderer(log_format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            printable,
            renderer(log_format),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
