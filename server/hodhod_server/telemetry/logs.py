"""Logs: one JSON object a line on stderr, an event name and its fields.

Operators read INFO; an expected refusal is not a warning. Secrets, codes, phones and message texts
have no business here: fields are ids, counts, codes of errors and durations.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(role: str, level: str) -> None:
    """Every later log line of this process carries its role."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module; `name` is its area."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(area=name)
    return logger
