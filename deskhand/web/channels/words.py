"""Channels in words: who gets new mail, how a server stands, and what to do when it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import plans
from deskhand.accounts.models import Team, User
from deskhand.accounts.plans import Feature
from deskhand.channels.email.causes import Cause
from deskhand.channels.email.models import EmailAccount, MailboxState
from deskhand.channels.email.trial import Outcome
from deskhand.delivery.relays import default_relay
from deskhand.desk.models import ChannelAccount
from deskhand.kernel.errors import DeskhandError
from deskhand.kernel.locales import listed
from deskhand.routing import agents, matrix, skill_sets
from deskhand.routing.matrix import Offer
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Option, Strategy
from deskhand.web import times
from deskhand.web.channels.rows import Said

TO_PEOPLE = {
    (Strategy.LOAD_BALANCED, True): gettext_lazy("New mail goes to %(names)s, load balanced, available people only."),
    (Strategy.LOAD_BALANCED, False): gettext_lazy("New mail goes to %(names)s, load balanced, whether available or not."),
    (Strategy.ROUND_ROBIN, True): gettext_lazy("New mail goes to %(names)s in turn, available people only."),
    (Strategy.ROUND_ROBIN, False): gettext_lazy("New mail goes to %(names)s in turn, whether available or not."),
    (Strategy.RANDOM, True): gettext_lazy("New mail goes to %(names)s at random, available people only."),
    (Strategy.RANDOM, False): gettext_lazy("New mail goes to %(names)s at random, whether available or not."),
}  # fmt: skip
#: The same of channels that take no mail.
TICKETS_TO_PEOPLE = {
    (Strategy.LOAD_BALANCED, True): gettext_lazy("New tickets go to %(names)s, load balanced, available people only."),
    (Strategy.LOAD_BALANCED, False): gettext_lazy("New tickets go to %(names)s, load balanced, whether available or not."),
    (Strategy.ROUND_ROBIN, True): gettext_lazy("New tickets go to %(names)s in turn, available people only."),
    (Strategy.ROUND_ROBIN, False): gettext_lazy("New tickets go to %(names)s in turn, whether available or not."),
    (Strategy.RANDOM, True): gettext_lazy("New tickets go to %(names)s at random, available people only."),
    (Strategy.RANDOM, False): gettext_lazy("New tickets go to %(names)s at random, whether available or not."),
}  # fmt: skip

#: What is in the way, and the way out.
CAUSES = {
    Cause.REFUSED: (
        gettext_lazy("The server refuses the user name or the password."),
        gettext_lazy("Check both. Google, Microsoft, Apple and others want an app password made for this mailbox in place of the everyday one."),
    ),
    Cause.UNKNOWN_HOST: (
        gettext_lazy("There is no server of this name."),
        gettext_lazy("Check the spelling; your provider's help pages name the server."),
    ),
    Cause.CERTIFICATE: (
        gettext_lazy("The server's certificate can't be trusted."),
        gettext_lazy("Use the name that the certificate is for, or have it renewed."),
    ),
    Cause.NO_TLS: (
        gettext_lazy("The server does not speak this kind of encryption at this port."),
        gettext_lazy("TLS mostly goes with port 993 for reading and 465 for sending, STARTTLS with 143 and 587."),
    ),
    Cause.CLOSED: (gettext_lazy("Nothing answers at this port."), gettext_lazy("Check the port, and whether a firewall is in between.")),
    Cause.SILENT: (
        gettext_lazy("The server did not answer in time."),
        gettext_lazy("Check its name and the port, and whether a firewall is in between."),
    ),
    Cause.NOT_ALLOWED: (
        gettext_lazy("This server is not on the public internet, so it may not be asked."),
        gettext_lazy("Who runs this installation can allow it with ALLOW_PRIVATE_HOSTS."),
    ),
    Cause.NO_FOLDER: (
        gettext_lazy("There is no such folder in the mailbox."),
        gettext_lazy("Write its name as your mail program shows it, or INBOX."),
    ),
    Cause.UNREADABLE_PASSWORD: (gettext_lazy("The stored password can't be read any more."), gettext_lazy("Enter it again.")),
    Cause.BUSY: (gettext_lazy("Other tests are still running."), gettext_lazy("Try again in a minute.")),
    Cause.OTHER: (gettext_lazy("The server did not do what was asked."), gettext_lazy("What it said stands below.")),
}  # fmt: skip


class Named:
    """The names of all that some rules mention: four queries at most, however many rules."""

    def __init__(self, account_id: int, rules: Sequence[RoutingRule]) -> None:
        users = {one for rule in rules for one in (*rule.user_ids, *rule.fallback_user_ids)}
        teams = {one for rule in rules for one in (*rule.team_ids, *rule.fallback_team_ids)}
        self._users: Mapping[int, str] = (
            dict(User.objects.filter(pk__in=users).values_list("id", "name")) if users else {}
        )
        found = Team.objects.filter(account_id=account_id, pk__in=teams)
        self._teams: Mapping[int, str] = dict(found.values_list("id", "name")) if teams else {}
        has_skills = any(rule.skill_rule_set_id for rule in rules) and Feature.SKILLS in plans.features_of(
            account_id
        )
        self.skill_rules: Mapping[int, str] = (
            {one.pk: one.name for one in skill_sets.sets(account_id)} if has_skills else {}
        )

    def of(self, user_ids: Sequence[int], team_ids: Sequence[int]) -> list[str]:
        """In the order in which their turns come (R-ROUTE-33)."""
        users = [self._users[one] for one in user_ids if one in self._users]
        return users + [self._teams[one] for one in team_ids if one in self._teams]


def sentence(channel: ChannelAccount, rule: RoutingRule | None, named: Named) -> str:
    """Who gets what comes in on a channel, in plain words."""
    is_mail, offer = channel.channel == matrix.EMAIL, matrix.of(channel.channel)
    if channel.archived_at is not None:
        return (
            _("No mail is taken for this address.") if is_mail else _("Nothing is taken in on this channel.")
        )
    if not channel.creates_tickets and is_mail:
        return _("New mail becomes a conversation without a ticket, for everybody in the inbox.")
    if not channel.creates_tickets:
        return _("What comes in becomes a conversation without a ticket, for everybody in the inbox.")
    rule = rule or RoutingRule(option=Option.NONE)
    names = named.of(rule.user_ids, rule.team_ids)
    if offer.rings:
        return " ".join(_of_calls(rule, names))
    return " ".join([_whom(rule, names, is_mail), *_besides(rule, offer, named)])


def _of_calls(rule: RoutingRule, names: Sequence[str]) -> Iterator[str]:
    """R-ROUTE-90..94"""
    if rule.option != Option.USERS_AND_TEAMS or not names:
        yield _("Nobody is rung: callers may leave a message.")
    else:
        facts = {"names": listed(names), "num": rule.ring_seconds}
        if rule.ring_all:
            text = ngettext(
                "Calls ring %(names)s all at once, for %(num)s second.",
                "Calls ring %(names)s all at once, for %(num)s seconds.", rule.ring_seconds,
            )  # fmt: skip
        else:
            text = ngettext(
                "Calls ring %(names)s one after another, for %(num)s second each.",
                "Calls ring %(names)s one after another, for %(num)s seconds each.", rule.ring_seconds,
            )  # fmt: skip
        yield text % facts
        yield _("Who does not get through may leave a message.")
    if rule.hours_blocks:
        yield _("Outside the channel's hours callers may leave a message.")


def _besides(rule: RoutingRule, offer: Offer, named: Named) -> Iterator[str]:
    """What else a rule says."""
    picks = rule.option in (Option.USERS_AND_TEAMS, Option.CONTACT_OWNER, Option.AI_AGENT)
    skills = named.skill_rules.get(rule.skill_rule_set_id or 0)
    if skills and rule.option != Option.TEAMS:  # R-SKILL-10
        yield _("Skills come first, by the rules “%(name)s”.") % {"name": skills}
    fallback = named.of(rule.fallback_user_ids, rule.fallback_team_ids)
    if rule.option == Option.AI_AGENT:
        if fallback:
            yield _("What it can't answer goes to %(names)s.") % {"names": listed(fallback)}
        else:
            yield _("What it can't answer stays unassigned until somebody takes it.")
    elif fallback and picks:
        yield _("If nobody can take it: %(names)s.") % {"names": listed(fallback)}
    if offer.mails_owner and rule.option == Option.CONTACT_OWNER and rule.only_available:
        yield _("An owner who is away gets it by email.")
    if rule.sticky_hours and picks:
        yield ngettext(
            "For %(num)s hour, a contact stays with who had to do with them.",
            "For %(num)s hours, a contact stays with who had to do with them.",
            rule.sticky_hours,
        ) % {"num": rule.sticky_hours}
    if rule.wait_list and picks:
        yield _("What nobody can take waits for the next who becomes available.")
        if rule.landing_minutes and rule.only_available:
            yield ngettext(
                "Then it is shared out with those whose hours begin within %(num)s minute.",
                "Then it is shared out with those whose hours begin within %(num)s minutes.", rule.landing_minutes,
            ) % {"num": rule.landing_minutes}  # fmt: skip
    if rule.hours_blocks:
        yield _("Outside the channel's hours it stays unassigned.")


def _whom(rule: RoutingRule, names: Sequence[str], is_mail: bool) -> str:
    match Option(rule.option):
        case Option.NONE:
            return (
                _("New mail stays unassigned until somebody takes it.")
                if is_mail
                else _("New tickets stay unassigned until somebody takes them.")
            )
        case Option.AI_AGENT:
            agent = agents.known.get(rule.agent_key)
            return _("%(name)s answers first.") % {"name": agent.name if agent else rule.agent_key}
        case Option.CONTACT_OWNER if rule.only_available:
            return _("New mail goes to the owner of the contact who writes, if available.") if is_mail else _("New tickets go to the contact's owner, if available.")  # fmt: skip
        case Option.CONTACT_OWNER:
            return _("New mail goes to the owner of the contact who writes.") if is_mail else _("New tickets go to the contact's owner.")  # fmt: skip
    if not names:
        return _("New mail goes to nobody: all whom the rule names are gone.") if is_mail else _("New tickets go to nobody: all whom the rule names are gone.")  # fmt: skip
    if rule.option == Option.TEAMS:
        text = _("New mail goes to %(names)s, without an owner.") if is_mail else _("New tickets go to %(names)s, without an owner.")  # fmt: skip
        return text % {"names": listed(names)}
    ways = TO_PEOPLE if is_mail else TICKETS_TO_PEOPLE
    return str(ways[Strategy(rule.strategy), rule.only_available]) % {"names": listed(names)}


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def of_cause(cause: str, detail: str = "") -> Said:
    known = Cause(cause) if cause in set(Cause) else Cause.OTHER
    text, way = CAUSES[known]
    return Said(str(text), str(way), detail, "red")


def of_incoming(outcome: Outcome) -> Said:
    if outcome.cause is None:
        return Said(_("The mailbox can be read."), tone="green")
    return of_cause(outcome.cause, outcome.detail)


def of_outgoing(outcome: Outcome) -> Said:
    if outcome.cause is None:
        return Said(_("The mail server lets us in."), tone="green")
    return of_cause(outcome.cause, outcome.detail)


def of_mailbox(mailbox: EmailAccount) -> Said | None:
    """How reading it goes, for the page; None where there is nothing to read."""
    match mailbox.state:
        case MailboxState.OFF:
            return None
        case MailboxState.OK:
            looked = mailbox.last_success_at
            text = _("The mailbox is being read. New mail is here within seconds.")
            way = _("Last looked into: %(time)s") % {"time": times.moment(looked)} if looked else ""
            return Said(text, way, tone="green")
        case MailboxState.WAITING:
            return Said(_("The mailbox is looked into for the first time within seconds."), tone="blue")
    said = of_cause(mailbox.last_cause, mailbox.last_error)
    if mailbox.state == MailboxState.RETRYING and mailbox.retry_at:
        again = _("It is tried again by itself: %(time)s") % {"time": times.moment(mailbox.retry_at)}
        return Said(said.text, f"{said.way} {again}", said.detail, "amber")
    return said


def without_own_server() -> str:
    """What happens to mail of a channel without a server of its own."""
    try:
        relay = default_relay()
    except DeskhandError:
        relay = None
    if relay is None:
        return _(
            "This installation has no mail server yet: mail waits until there is one. Who runs it sets SMTP_URL."
        )
    if relay.kind == "sink":
        return _("Mail stays in the built-in mailbox, where you can read it; none of it leaves.")
    return _("This installation's mail server sends: %(host)s") % {"host": relay.host}
