"""Contrast as WCAG 2 counts it."""

from __future__ import annotations

import pytest

from deskhand.channels.portal import colors


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
    ],
)
def test_contrast(one, other, expected):
    assert colors.contrast(one, other) == pytest.approx(expected, abs=0.01)
    assert colors.contrast(other, one) == colors.contrast(one, other)


def test_an_accent_counts_by_the_ground_where_it_is_weakest():
    """4.54 on white, but less on the paper around it."""
    assert colors.weakest("#767676", is_dark=False) < colors.ENOUGH < colors.weakest("#1a5fb4", is_dark=False)
    assert colors.weakest("#1a5fb4", is_dark=True) < colors.ENOUGH < colors.weakest("#99c1f1", is_dark=True)


@pytest.mark.parametrize("text", ["", "#fff", "red", "#12345g", "#1234567", "#123456;", "\n#123456"])
def test_what_is_no_color(text):
    assert not colors.is_color(text)
