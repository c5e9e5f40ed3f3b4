"""A simulation in words: what is different in it, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.crm.schema import durations
from deskhand.routing.outcomes import Outcome
from deskhand.routing.types import Strategy
from deskhand.routing.wishes import MADE_UP, Wish
from deskhand.web.choices import joined
from deskhand.web.routing.simulator_form import DAYS, STRATEGIES


def title(wish: Wish, names: Mapping[int, str]) -> str:
    return joined(_parts(wish, names))


def _parts(wish: Wish, names: Mapping[int, str]) -> Iterator[str]:
    people = joined(names.get(pk, _("user %(id)s") % {"id": pk}) for pk in wish.people)
    if wish.off:
        yield _("%(names)s off %(days)s") % {"names": people, "days": DAYS[wish.off]}
    if wish.share is not None:
        yield _("%(names)s with a share of %(share)s %%") % {"names": people, "share": wish.share}
    if wish.strategy:
        yield _("Distribution: %(strategy)s") % {"strategy": STRATEGIES[Strategy(wish.strategy)]}
    if wish.only_available is not None:
        yield _("only who is available") if wish.only_available else _("whether available or not")
    if wish.wait_list is not None:
        yield _("with a wait-list") if wish.wait_list else _("without a wait-list")
    if wish.limit is not None:
        yield ngettext("%(num)s ticket at a time", "%(num)s tickets at a time", wish.limit) % {
            "num": wish.limit
        }
    if wish.begins is not None and wish.ends is not None:
        yield _("people there from %(start)s to %(end)s") % {
            "start": clock_time(wish.begins),
            "end": clock_time(wish.ends),
        }
    if wish.opens is not None and wish.closes is not None:
        yield _("channels open from %(start)s to %(end)s") % {
            "start": clock_time(wish.opens),
            "end": clock_time(wish.closes),
        }
    if wish.more:
        yield ngettext("%(num)s more colleague", "%(num)s more colleagues", wish.more) % {"num": wish.more}
    if wish.percent != 100:
        yield _("%(percent)s %% of the tickets") % {"percent": wish.percent}


def span(wish: Wish) -> str:
    days = round((wish.until - wish.since) / timedelta(days=1))
    if wish.source == MADE_UP:
        return ngettext("%(num)s made-up day", "%(num)s made-up days", days) % {"num": days}
    return ngettext("Tickets of %(num)s day", "Tickets of %(num)s days", days) % {"num": days}


def clock_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def headline(today: Outcome, then: Outcome) -> str:
    """The difference that matters most, in two sentences."""
    if not today.all.count and not then.all.count:
        return _("No ticket came in that time, so there is nothing to tell.")
    return f"{_how_many(then.all.waited - today.all.waited)} {_how_long(today.all.longest, then.all.longest)}"


def _how_many(more: int) -> str:
    if more > 0:
        return ngettext("%(num)s more ticket has to wait for an owner.", "%(num)s more tickets have to wait for an owner.", more) % {"num": more}  # fmt: skip
    if more < 0:
        return ngettext("%(num)s fewer ticket has to wait for an owner.", "%(num)s fewer tickets have to wait for an owner.", -more) % {"num": -more}  # fmt: skip
    return _("As many tickets have to wait for an owner as today.")


def _how_long(today: int, then: int) -> str:
    if today // 60 == then // 60:
        return _("The longest wait stays as it is: %(time)s.") % {"time": wait(then)} if then >= 60 else ""
    return _("The longest wait is %(then)s, today %(today)s.") % {"then": wait(then), "today": wait(today)}


def wait(seconds: int) -> str:
    return durations.exactly(timedelta(seconds=seconds))


def evenness(index: float) -> str:
    """Jain's index in a word."""
    if index >= 0.95:
        return _("very even")
    if index >= 0.85:
        return _("even")
    return _("uneven") if index >= 0.6 else _("very uneven")
