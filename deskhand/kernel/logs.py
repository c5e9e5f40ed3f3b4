"""What the processes write down: one JSON object a line, or lines for people where a person watches. On stderr.

Values of variables stay out of it, for they hold people's mail and passwords; whoever needs one names it in the call.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.stdlib import ProcessorFormatter

#: Told by us already, once, in our words: the pool tells it again for each of its connections, several times a second.
TOO_TALKATIVE = ("psycopg.pool",)


def set_up() -> None:
    """Once per process, before the first line."""
    if sys.stderr.isatty():
        last: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    first: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[*first, *last],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _set_up_others(first, last)


def _set_up_others(first: list[structlog.typing.Processor], last: list[structlog.typing.Processor]) -> None:
    """The libraries' warnings in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=first, processors=[ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
