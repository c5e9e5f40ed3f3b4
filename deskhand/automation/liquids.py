"""Liquid within limits. Imported where something is filled: it takes 2 MB that a web process mostly has no use for."""

from __future__ import annotations

from functools import lru_cache

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

__all__ = ["LiquidError", "parsed"]

OUTPUT_LIMIT = 100_000  # bytes of one rendered part
LOOP_LIMIT = 1_000


class _Limited(Environment):
    output_stream_limit = OUTPUT_LIMIT
    loop_iteration_limit = LOOP_LIMIT
    context_depth_limit = 20


_environment = _Limited(autoescape=False)


@lru_cache(maxsize=512)
def parsed(source: str) -> BoundTemplate:
    """Raises LiquidError for what can't be read."""
    return _environment.from_string(source)
