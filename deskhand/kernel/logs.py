"""What the processes write down: one JSON object a line, or lines for people where a person watches. On stderr.

Values of variables stay out of it, for they hold people's mail and passwords; whoever needs one names it in the call.
"""

from __future__ import annotations

import sys

import structlog


def set_up() -> None:
    """Once per process, before the first line."""
    if sys.stderr.isatty():
        last: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            *last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
