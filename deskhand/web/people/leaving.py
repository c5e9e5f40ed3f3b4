"""What becomes of somebody's tickets and places when they are deactivated, said before it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import plans
from deskhand.accounts.plans import Feature
from deskhand.routing import rerouting, skill_sets
from deskhand.routing.models import SkillRule


def sentences(account_id: int, user_id: int, name: str) -> tuple[str, ...]:
    """R-ROUTE-54: by what the routing of each ticket's channel says; R-ROUTE-14 for the rules."""
    return (
        *_of_tickets(rerouting.outlook(account_id, user_id)),
        _("They are signed out everywhere at once and can't sign in any more."),
        _("Routing passes them over; where a rule names them, they are marked."),
        *of_skill_rules(account_id, skill_sets.naming_user(account_id, user_id), name),
        _("What they wrote and did stays, and so do their role and teams, for the day you reactivate them."),
    )


def of_skill_rules(account_id: int, found: Iterable[SkillRule], name: str) -> Iterator[str]:
    """R-SKILL-9: those that ask for somebody, or for a team; none where the plan lets them rest, for nobody can change them."""
    if Feature.SKILLS not in plans.features_of(account_id):
        return
    for one in found:
        said = {"rule": f"{one.rule_set.name}: {one.name}", "name": name}
        yield _("The skill rule “%(rule)s” asks for %(name)s. It stays as it is until somebody changes it.") % said  # fmt: skip


def _of_tickets(outlook: rerouting.Outlook) -> list[str]:
    found = []
    if outlook.at_once:
        found.append(
            ngettext(
                "%(num)s open ticket goes to somebody else at once.",
                "%(num)s open tickets go to others at once.",
                outlook.at_once,
            )
            % {"num": outlook.at_once}
        )
    if outlook.on_reply:
        found.append(
            ngettext(
                "%(num)s open ticket goes to somebody else when the customer writes again.",
                "%(num)s open tickets go to others when the customers write again.",
                outlook.on_reply,
            )
            % {"num": outlook.on_reply}
        )
    if outlook.stay:
        found.append(
            ngettext(
                "%(num)s open ticket stays with them until somebody takes it.",
                "%(num)s open tickets stay with them until somebody takes them.",
                outlook.stay,
            )
            % {"num": outlook.stay}
        )
    return found or [_("They own no open ticket.")]
