from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from deskhand.web import times

NOW = datetime(2026, 11, 19, 10, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=30), "now"),
        (timedelta(minutes=2), "2m"),
        (timedelta(hours=4), "4h"),
        (timedelta(hours=20), "Yesterday"),
        (timedelta(days=5), "14 Nov"),
        (timedelta(days=400), "15 Oct 2025"),
    ],
)
def test_lists_say_how_old_a_message_is(before: timedelta, said: str) -> None:
    assert times.ago(NOW - before, NOW) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(hours=1), "Today 10:41"),
        (timedelta(days=2), "Tue 11:41"),
        (timedelta(days=30), "20 Oct, 12:41"),
    ],
)
def test_conversations_say_when_in_the_viewers_zone(before: timedelta, said: str) -> None:
    with timezone.override("Europe/Oslo"):
        assert times.moment(NOW - before, NOW) == said


def test_days_are_written_as_the_language_does() -> None:
    with translation.override("da"):
        assert times.ago(NOW - timedelta(days=5), NOW) == "14. nov."


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Thursday, 19 November 2026 10:41 UTC"),
        ("da", "torsdag den 19. november 2026 10:41 UTC"),
        ("de", "Donnerstag, 19. November 2026 10:41 UTC"),
        ("it", "giovedì 19 novembre 2026 10:41 UTC"),
        ("nb", "torsdag 19. november 2026 10:41 UTC"),
    ],
)
def test_the_exact_moment_is_written_as_the_language_does(language: str, said: str) -> None:
    with translation.override(language):
        assert times.absolute(NOW) == said


def test_just_after_midnight_a_message_of_the_evening_counts_in_hours() -> None:
    midnight = datetime(2026, 11, 19, 0, 30, tzinfo=UTC)

    assert times.ago(midnight - timedelta(hours=2), midnight) == "2h"
