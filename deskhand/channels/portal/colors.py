"""Whether a color can be read: the contrast of WCAG 2, against what the portal shows it on. Pure."""

from __future__ import annotations

import re

ENOUGH = 4.5  # WCAG 2.2, 1.4.3
#: What an accent stands on, as text and links, and what stands on it: tokens.css' --surface, --canvas and --on-accent.
LIGHT = ("#ffffff", "#f3f2ef")
DARK = ("#15181c", "#0d1014", "#12181d")
_COLOR = re.compile(r"#[0-9a-f]{6}")


def is_color(text: str) -> bool:
    return _COLOR.fullmatch(text) is not None


def luminance(color: str) -> float:
    """Relative luminance of "#rrggbb"."""
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def weakest(color: str, *, is_dark: bool) -> float:
    """The contrast of an accent where it is the least."""
    return min(contrast(color, ground) for ground in (DARK if is_dark else LIGHT))
