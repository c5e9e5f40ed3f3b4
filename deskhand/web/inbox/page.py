"""Putting stored facts into the words of the inbox screen."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, Literal

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from markupsafe import Markup, escape

from deskhand.accounts import policy
from deskhand.accounts.models import Team, User
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.crm.records.store import TAG_RULE
from deskhand.crm.schema.defaults import PRIORITIES
from deskhand.desk import following, mentions, preferences
from deskhand.desk import views as desk_views
from deskhand.desk.models import Attachment, ChannelAccount, Mention, Message, Seen
from deskhand.desk.threads import FOLLOW_UP, KEEPS_CLOSED
from deskhand.events.queries import rules_of
from deskhand.kernel.text import paragraphs
from deskhand.routing import queries as routing
from deskhand.routing import waitmarks
from deskhand.web import gone, moving, troubles
from deskhand.web.files import has_remote_pictures, stands_inline, with_own_pictures
from deskhand.web.frame import VIEW_SENTENCES, count_text, view_counts, view_words
from deskhand.web.holding import load_text
from deskhand.web.inbox import (
    causes,
    composing,
    panel,
    present,
    reading,
    rows,
    snooze_menu,
    thread_owner,
    words,
)
from deskhand.web.inbox.bulk_bar import bulk_bar
from deskhand.web.inbox.composing import Typed
from deskhand.web.inbox.panel_rows import Panel as PanelRows
from deskhand.web.jinja import wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person
from deskhand.web.workflows import card

CHANNEL_ICONS = {
    "EMAIL": "mail",
    "FORM": "file-text",
    "CHAT": "message-circle",
    "PHONE": "phone",
    "WHATSAPP": "message-circle",
    "CUSTOMER_PORTAL": "globe",
}
CHANNEL_LABELS = {
    "EMAIL": gettext_lazy("Email"), "FORM": gettext_lazy("Form"), "CHAT": gettext_lazy("Chat"), "PHONE": gettext_lazy("Phone"),
    "WHATSAPP": gettext_lazy("WhatsApp"), "MANUAL": gettext_lazy("By hand"),
    "CUSTOMER_PORTAL": gettext_lazy("Customer portal"),
}  # fmt: skip
RULES = {
    "status_from_reply": gettext_lazy("the customer replied"),
    "hand_over": gettext_lazy("tickets were handed over"),
    "status_from_sent": gettext_lazy("an email was sent to the customer"),
    "reopen_on_reply": gettext_lazy("the customer replied to a closed ticket"),
    FOLLOW_UP: gettext_lazy("the customer replied to a closed ticket"),
    "chosen_with_reply": gettext_lazy("chosen while sending"),
    "channel_routing": gettext_lazy("the channel's routing"),
    waitmarks.RULE: gettext_lazy("the wait-list"),
    "taken_back": gettext_lazy("taken back"),
    "run_undone": gettext_lazy("an automation taken back"),
    TAG_RULE: gettext_lazy("the rule of a tag"),
}
#: What these change beside the status is told with who set them off.
STATUS_RULES = {"status_from_reply", "status_from_sent", "reopen_on_reply", "chosen_with_reply", "hand_over"}
_CALL = re.compile(r"(?:(?<=\s)|^)(@[\w.-]{1,100})")
_TAGS = re.compile(r"(<[^>]*>)")
HISTORY = 30  # lines shown


def ticket_row(row: desk_views.Row, view: str, *, current: int | None = None) -> rows.TicketRow:
    source = row.source_type or "MANUAL"
    return rows.TicketRow(
        id=row.id, number=f"#{row.number}", url=reverse("inbox-ticket", args=[view, row.id]), row_url=reverse("inbox-row", args=[view, row.id]),
        contact_name=row.contact_name or _("Unknown sender"), message_count=row.message_count, last_at=row.sort_at, subject=row.subject,
        preview=row.preview, status=words.status(pipelines_of("ticket").stage(row.stage_id)), channel_icon=CHANNEL_ICONS.get(source, "circle-dashed"),
        channel_label=str(CHANNEL_LABELS.get(source, source.title())), priority=words.priority(row.priority), has_draft=row.has_draft, unread=row.unread, current=row.id == current, snoozed=row.is_snoozed,
        tags=words.tags(row.tag_ids),
    )  # fmt: skip


def ticket_list(
    request: AccountRequest,
    view: str,
    *,
    after: str = "",
    filtered_after: str = "",
    current: int | None = None,
) -> rows.TicketList:
    found = desk_views.view_of(request.viewer, view)
    page, following = desk_views.rows(request.viewer, found, after=after)
    url = reverse("inbox-view", args=[view])
    newest = desk_views.cursor(page[0]) if page else "0-0"
    is_page = request.method == "GET" and not wants_fragment(request)
    count = (view_counts(request, found) if is_page else desk_views.counters(request.viewer, [found]))[view]
    return rows.TicketList(
        key=view, title=view_words(request, view)[0], url=url,
        rows=tuple(ticket_row(row, view, current=current) for row in page),
        count_text=count_text(count), bulk=bulk_bar(request.viewer, found, count) if page else None,
        view_url=reverse("view-table", args=[found.saved.id]) if found.saved else "", gone=gone.said(found.saved) if found.saved else "",
        density_url=reverse("inbox-density", args=[view]), is_compact=preferences.of(request.viewer).is_compact,
        refresh_url=reverse("inbox-list", args=[view]), new_url="" if after else reverse("inbox-new", args=[view, newest]),
        more_url=reverse("inbox-more", args=[view, following]) if following else "", empty_text=str(VIEW_SENTENCES.get(view, _("Tickets that match the filters are listed here."))),
        filtered=filtered_list(request, filtered_after) if found.spam and not after else None,
        first=None if page or after else first_thing(request, view),
    )  # fmt: skip


def first_thing(request: AccountRequest, view: str) -> rows.FirstThing | None:
    """What somebody with nothing to read can do: connect an address where there is none, or take what is nobody's."""
    account_id = request.viewer.account_id
    if ChannelAccount.objects.filter(account_id=account_id, archived_at=None).exists():
        return _unassigned(request) if view in MINE else None
    title = _("No mail can come in yet")
    if not policy.can(request.viewer, Action.CONNECT_CHANNELS):
        return rows.FirstThing(
            title, _("An administrator has to connect the address that your customers write to.")
        )
    return rows.FirstThing(
        title,
        _("Connect the address that your customers write to, and their mail becomes tickets."),
        reverse("channel-new"),
        _("Connect an address"),
    )


#: Views of one's own, in which a ticket that nobody has taken does not stand.
MINE = ("my-open", "assigned")


def _unassigned(request: AccountRequest) -> rows.FirstThing | None:
    views = [one for one in desk_views.views_of(request.viewer) if one.key == "unassigned"]
    count = desk_views.counters(request.viewer, views)["unassigned"] if views else 0
    if not count:
        return None
    said = ngettext("%(num)s ticket waits for somebody.", "%(num)s tickets wait for somebody.", count)
    return rows.FirstThing(
        _("Nothing of yours"),
        said % {"num": count_text(count)},
        reverse("inbox-view", args=["unassigned"]),
        _("See what is unassigned"),
    )


def filtered_list(request: AccountRequest, after: str = "") -> rows.ThreadList:
    return _thread_list(desk_views.FILTERED, *desk_views.filtered(request.viewer, after=after))


def thread_list(request: AccountRequest, after: str = "") -> rows.ThreadList:
    return _thread_list(desk_views.CONVERSATIONS, *desk_views.conversations(request.viewer, after=after))


def _thread_list(view: str, found: Sequence[desk_views.ThreadRow], following: str) -> rows.ThreadList:
    people = thread_owner.people_of({row.assignee_id for row in found if row.assignee_id})
    return rows.ThreadList(
        rows=tuple(_thread_row(row, people) for row in found),
        more_url=reverse("inbox-more", args=[view, following]) if following else "",
    )


def _thread_row(found: desk_views.ThreadRow, people: Mapping[int, Person]) -> rows.ThreadRow:
    return rows.ThreadRow(
        subject=found.subject or _("(no subject)"),
        preview=found.preview,
        name=found.name or _("Unknown sender"),
        channel=found.channel,
        message_count=found.message_count,
        last_at=found.last_message_at,
        make_ticket_url=reverse("make-ticket", args=[found.id]),
        spam_url=reverse("thread-spam", args=[found.id]),
        owner_url=reverse("thread-owner", args=[found.id]),
        owner=people.get(found.assignee_id or 0),
        may_edit=found.may_edit,
        id=found.id,
        address=found.address if found.address != found.name else "",
        paragraphs=paragraphs(found.text),
    )


def ticket_page(
    request: AccountRequest,
    view: str,
    ticket_id: int,
    *,
    typed: Typed | None = None,
    wish: panel.Wish | None = None,
    row: desk_views.Row | None = None,
) -> rows.TicketPage:
    """`row`: the ticket, where it was read already. Raises NotFound for a view or a ticket that the viewer may not see."""
    return TicketPageOf(request, view, ticket_id, wish, row).build(typed)


class TicketPageOf:
    """One open ticket: gathered with a fixed number of queries, then put into words."""

    def __init__(
        self,
        request: AccountRequest,
        view: str,
        ticket_id: int,
        wish: panel.Wish | None = None,
        row: desk_views.Row | None = None,
    ) -> None:
        self.wish = wish or panel.Wish()
        self.request, self.viewer, self.view = request, request.viewer, view
        self.row = row or desk_views.row(request.viewer, ticket_id)
        self.ticket = Ticket.objects.select_related("contact", "contact__company").get(
            account_id=request.viewer.account_id, pk=ticket_id
        )
        self.pipeline = pipelines_of("ticket").pipeline(self.ticket.pipeline_id)
        self.stage = pipelines_of("ticket").stage(self.ticket.stage_id)
        is_deleted = self.ticket.archived_at is not None
        self.may_edit, self.may_reply = (
            not is_deleted and self._may(verb) for verb in (Verb.EDIT, Verb.COMMUNICATE)
        )

    # What only some parts of it need.

    @cached_property
    def messages(self) -> list[Message]:
        found = Message.objects.filter(account_id=self.viewer.account_id, ticket_id=self.ticket.pk)
        return list(found.order_by("id"))

    @cached_property
    def files(self) -> dict[int, list[Attachment]]:
        """By message."""
        found: dict[int, list[Attachment]] = {}
        for file in Attachment.objects.filter(
            account_id=self.viewer.account_id, message__ticket_id=self.ticket.pk
        ).order_by("message_id", "position"):
            found.setdefault(file.message_id, []).append(file)
        return found

    @cached_property
    def users(self) -> dict[int, User]:
        return {u.pk: u for u in User.objects.filter(memberships__account_id=self.viewer.account_id)}

    @cached_property
    def changes(self) -> list[PropertyChange]:
        return self._changes(HISTORY)

    @cached_property
    def told(self) -> list[PropertyChange]:
        """The changes that the panel tells."""
        return self._changes(panel.LONG, self.wish.before) if self.wish.is_history else self.changes

    @cached_property
    def followers(self) -> Collection[int]:
        return following.followers(self.ticket.pk)

    def beside(self) -> PanelRows:
        return self.panel_of.build(panel.History(self.told, self._cause, self.followers))

    @cached_property
    def panel_of(self) -> panel.PanelOf:
        names = {pk: user.name for pk, user in self.users.items()}
        return panel.PanelOf(self.request, self.view, self.ticket, names, self.may_edit, self.wish)

    def _may(self, verb: Verb) -> bool:
        return policy.visible(self.viewer, "ticket", verb).reaches(self.ticket)

    def build(self, typed: Typed | None = None) -> rows.TicketPage:
        t = self.ticket
        source = t.source_type or "MANUAL"
        return rows.TicketPage(
            id=t.pk, number=f"#{t.number}", subject=t.subject, url=reverse("inbox-ticket", args=[self.view, t.pk]),
            thread_url=reverse("inbox-thread", args=[self.view, t.pk]), head=self.head(), items=self.items(), panel=self.beside(),
            room=present.room(self.viewer, t.pk), composer=None if t.archived_at else self.composer(typed), priority=words.priority(t.priority), channel_icon=CHANNEL_ICONS.get(source, "circle-dashed"),
            channel_label=str(CHANNEL_LABELS.get(source, source.title())), row=ticket_row(self.row, self.view, current=t.pk),
            leaves_view=self.row.leaves(desk_views.view_of(self.viewer, self.view)),
        )  # fmt: skip

    # ── the bar ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def head(self) -> rows.TicketHead:
        t = self.ticket
        view = desk_views.view_of(self.viewer, self.view)
        above, below = desk_views.neighbours(self.viewer, view, self.row)
        closed = self.pipeline.first_closed
        owner = self.users.get(t.owner_id) if t.owner_id else None
        return rows.TicketHead(
            list_url=reverse("inbox-view", args=[self.view]), status=words.status(self.stage),
            status_url=reverse("ticket-status", args=[self.view, t.pk]), owner_url=reverse("ticket-owner", args=[self.view, t.pk]),
            statuses=self.statuses(), owners=self.owners(), owner=Person.named(owner.name) if owner else None,
            owner_team=self._team_names() if owner is None else "", close_status=str(closed.id) if closed and not t.is_closed else "",
            previous_url=reverse("inbox-ticket", args=[self.view, above]) if above else "",
            next_url=reverse("inbox-ticket", args=[self.view, below]) if below else "", may_edit=self.may_edit,
            priority=words.priority(t.priority), priorities=self.priorities(), priority_url=reverse("ticket-priority", args=[self.view, t.pk]),
            spam_url=reverse("ticket-spam", args=[self.view, t.pk]), is_spam=t.is_spam,
            delete_url=reverse("ticket-delete", args=[self.view, t.pk]) if self._may(Verb.DELETE) else "", deleted_at=t.archived_at,
            snooze=None if t.archived_at else snooze_menu.offered(self.viewer, self.view, t.pk, self.users), follows=self.viewer.user_id in self.followers,
            merge_url=reverse("ticket-merge", args=[self.view, t.pk]),
            block_url=reverse("ticket-block", args=[self.view, t.pk]) if t.contact and t.contact.email else "",
            enroll_url="" if t.archived_at else card.url_for(self.viewer, self.request.account, "ticket", [t.pk], reverse("inbox-ticket", args=[self.view, t.pk])), follow_url="" if t.archived_at else reverse("ticket-follow", args=[self.view, t.pk]),
        )  # fmt: skip

    def statuses(self) -> tuple[rows.StatusOption, ...]:
        """With the reason, where a rule of the pipeline forbids this person the move (R-RULE-8)."""
        reasons, stands = (
            moving.reasons(self.viewer, self.pipeline, self.ticket.stage_id),
            self.ticket.stage_id,
        )
        return tuple(
            rows.StatusOption(
                str(stage.id), _(stage.label), words.tone(stage), stage.id == stands, stage.id in reasons, reasons.get(stage.id, "")
            )
            for stage in self.pipeline.stages
        )  # fmt: skip

    def priorities(self) -> tuple[rows.StatusOption, ...]:
        stands = self.ticket.priority or ""
        found = [
            rows.StatusOption(one.value, _(one.label), words.PRIORITY_TONES[one.value], stands == one.value)
            for one in reversed(PRIORITIES)
        ]
        return (*found, rows.StatusOption("", _("No priority"), None, not stands))

    def owners(self) -> tuple[rows.OwnerOption, ...]:
        agents = routing.agents_with_state(self.viewer.account_id)
        people = [
            rows.OwnerOption(
                f"user:{a.user_id}", a.name, Person.named(a.name, available=a.is_available), is_viewer=a.user_id == self.viewer.user_id,
                load_text=load_text(a), is_full=a.is_full, current=a.user_id == self.ticket.owner_id,
            )
            for a in agents
        ]  # fmt: skip
        people.sort(key=lambda option: not option.is_viewer)
        teams = [
            rows.OwnerOption(
                f"team:{team.pk}",
                team.name,
                is_team=True,
                current=self.ticket.owner_id is None and team.pk in self.ticket.assigned_team_ids,
            )
            for team in Team.objects.filter(account_id=self.viewer.account_id).order_by("name", "id")
        ]
        return (
            *people,
            *teams,
            rows.OwnerOption(
                "", _("No owner"), current=self.ticket.owner_id is None and not self.ticket.assigned_team_ids
            ),
        )

    def _team_names(self) -> str:
        names = Team.objects.filter(
            account_id=self.viewer.account_id, pk__in=self.ticket.assigned_team_ids
        ).order_by("name")
        return ", ".join(names.values_list("name", flat=True))

    # ── the conversation ─────────────────────────────────────────────────────────────────────────────────────────────

    def items(self) -> tuple[rows.Item, ...]:
        """Messages and moves in the order of time."""
        timed: list[tuple[Any, int, rows.Said | rows.Happened]] = [
            (m.created_at, 1, self._said(m)) for m in self.messages
        ]
        timed += [(c.changed_at, 2, line) for c in reversed(self.changes) if (line := self._happened(c))]
        timed += [(m.created_at, 2, line) for m in self.messages if (line := self._sent_by_workflow(m))]
        timed.sort(key=lambda found: (found[0], found[1]))
        later = composing.later_replies(
            self.viewer, self.view, self.ticket, self.users, may_reply=self.may_reply
        )
        return (*reading.laid_out([item for _at, _order, item in timed], self._unread()), *later)

    def _unread(self) -> set[int]:
        """What others said since the viewer looked last; nothing where they look for the first time (R-WORK-13)."""
        mine = Seen.objects.filter(
            account_id=self.viewer.account_id, user_id=self.viewer.user_id, ticket_id=self.ticket.pk
        )
        seen_at = mine.values_list("seen_at", flat=True).first()
        me = ("user", self.viewer.user_id)
        return {
            m.pk
            for m in self.messages
            if seen_at and m.created_at > seen_at and (m.actor_kind, m.actor_id) != me
        }

    def _sent_by_workflow(self, m: Message) -> rows.Happened | None:
        """R-MAIL-8: who sent an automatic mail, and when."""
        if m.direction != "OUT" or not m.is_automatic:
            return None
        name = self.workflow_names.get((m.cause or {}).get("workflow_id") or 0, "")
        return rows.Happened("workflow", _("Sent automatically"), m.created_at, name)

    @cached_property
    def workflow_names(self) -> dict[int, str]:
        ids = ((m.cause or {}).get("workflow_id") for m in self.messages if m.is_automatic)
        return causes.workflow_names(self.viewer.account_id, ids)

    def _said(self, m: Message) -> rows.Said:
        kind: Literal["in", "out", "note"] = (
            "note" if m.kind == "COMMENT" else "out" if m.direction == "OUT" else "in"
        )
        name = m.sender_name or m.sender_address or _("Unknown sender")
        return rows.Said(
            id=m.pk, kind=kind, author=Person.named(name), at=m.created_at, html=self._html(m) if kind == "in" else self._own_html(m),
            framed=bool(m.html) and kind == "in", paragraphs=self._paragraphs(m), quoted=_quoted(m.quoted), via=_via(m) if kind == "in" else "",
            to=composing.sent_to(m.recipients), files=self._file_rows(m), delivery=_delivery(m), notice=_notice(m),
            split_url=self._split_url(m), pictures_url=reverse("remote-picture", args=[m.pk, 0])[:-1] if kind == "in" and has_remote_pictures(m.html) else "",
        )  # fmt: skip

    def _split_url(self, m: Message) -> str:
        may_split = self.may_edit and not self.ticket.is_spam
        return reverse("ticket-split", args=[self.view, self.ticket.pk, m.pk]) if may_split else ""

    def _paragraphs(self, m: Message) -> tuple[str, ...]:
        names = self.mentioned.get(m.pk, set()) if "@" in m.text else set()
        return tuple(_with_mentions(part, names) if names else part for part in paragraphs(m.text))

    @cached_property
    def mentioned(self) -> dict[int, set[str]]:
        """Whom each comment calls, by user name or word of a team, in lower case (R-WORK-5)."""
        calling = [m.pk for m in self.messages if m.kind == "COMMENT" and "@" in m.text]
        found: dict[int, set[str]] = {}
        if calling:
            rows_of = Mention.objects.filter(account_id=self.viewer.account_id, message_id__in=calling)
            names = User.objects.in_bulk({mention.user_id for mention in rows_of})
            teams = mentions.teams_by_word()
            for mention in rows_of:
                found.setdefault(mention.message_id, set(teams)).add(names[mention.user_id].username.lower())
        return found

    def _html(self, m: Message) -> Markup | None:
        """Sanitized when it was filed; its pictures are our own files."""
        return Markup(with_own_pictures(m.html, self.files.get(m.pk, ()))) if m.html else None

    def _own_html(self, m: Message) -> Markup | None:
        """What was written with our editor; whom it calls stands out."""
        found = composing.own_markup(m.html)
        names = self.mentioned.get(m.pk, set())
        if found is None or not names:
            return found
        parts = (part if part.startswith("<") else _marked(part, names) for part in _TAGS.split(found))
        return Markup("").join(map(Markup, parts))

    def _file_rows(self, m: Message) -> tuple[rows.File, ...]:
        shown = [f for f in self.files.get(m.pk, ()) if not stands_inline(m, f)]
        return tuple(
            composing.file_row(f.name, f.content_type, f.size, reverse("attachment", args=[f.pk]))
            for f in shown
        )

    def _happened(self, change: PropertyChange) -> rows.Happened | None:
        if change.property == "hs_pipeline_stage":
            stage = self._stage_label(change.new)
            return rows.Happened(
                "circle-dot",
                Markup("{}").format(_("Status set to %(status)s") % {"status": stage}),
                change.changed_at,
                self._cause(change),
            )
        if change.property == "hubspot_owner_id":
            owner = self.users.get(change.new) if change.new else None
            text = _("Assigned to %(name)s") % {"name": owner.name} if owner else _("Owner removed")
            return rows.Happened("user-round", text, change.changed_at, self._cause(change))
        if change.property == "is_spam":
            text = _("Marked as spam") if change.new else _("Marked as not spam")
            return rows.Happened(
                "shield-alert" if change.new else "shield-check", text, change.changed_at, self._cause(change)
            )
        return None

    def _stage_label(self, stage_id: Any) -> str:
        stage = pipelines_of("ticket").find(stage_id)
        return _(stage.label) if stage else str(stage_id)

    def _cause(self, change: PropertyChange) -> str:
        """What did it: a person, a workflow, or the rule of the pipeline or channel."""
        rule = self.rules.get(change.event_id or 0)
        if change.property != "hs_pipeline_stage" and rule in STATUS_RULES:
            rule = None
        if change.actor_kind == "user" and change.actor_id in self.users and not rule:
            return str(self.users[change.actor_id].name)
        if rule == TAG_RULE:
            return causes.of_tags(change)
        if rule:
            return str(RULES.get(rule, rule))
        names = {
            "workflow": self.workflows.get(change.event_id or 0, _("a workflow")),
            "routing": _("the channel's routing"),
            "system": _("Deskhand"),
        }
        return names.get(change.actor_kind, "")

    @cached_property
    def rules(self) -> dict[int, str]:
        ids = [c.event_id for c in (*self.changes, *self.told) if c.event_id]
        return rules_of(self.viewer.account_id, ids)

    @cached_property
    def workflows(self) -> dict[int, str]:
        return causes.of_workflows(self.viewer.account_id, [*self.changes, *self.told])

    def _changes(self, limit: int, before: int | None = None) -> list[PropertyChange]:
        """The latest ones, or those before one."""
        found = PropertyChange.objects.filter(
            account_id=self.viewer.account_id, object_type="ticket", record_id=self.ticket.pk
        )
        if before is not None:
            found = found.filter(pk__lt=before)
        return list(found.order_by("-id")[:limit])

    # ── the reply form ───────────────────────────────────────────────────────────────────────────────────────────────

    def composer(self, typed: Typed | None) -> rows.Composer:
        name = self.ticket.contact.name if self.ticket.contact else ""
        hint = "" if self.may_reply else _("You may comment, but not write to customers.")
        return composing.composer(
            self.viewer, self.view, self.ticket, self.messages, typed=typed, statuses=self.statuses(),
            may_reply=self.may_reply, reply_hint=hint,
            placeholder=_("Reply to %(name)s") % {"name": name} if name else _("Write a reply"),
        )  # fmt: skip


def _with_mentions(text: str, names: Set[str]) -> Markup:
    """The text as markup in which the people it calls stand out."""
    marked = Markup("")
    for part in _CALL.split(text):
        is_call = part.startswith("@") and part[1:].lower().rstrip(".") in names
        marked += Markup('<b class="mention">{}</b>').format(part) if is_call else escape(part)
    return marked


def _marked(markup: str, names: Set[str]) -> str:
    """The same for words that are markup already."""
    return _CALL.sub(
        lambda found: (
            f'<b class="mention">{found[1]}</b>' if found[1][1:].lower().rstrip(".") in names else found[1]
        ),
        markup,
    )


def _quoted(text: str) -> Markup | None:
    if not text.strip():
        return None
    return Markup("").join(
        Markup("<p>{}</p>").format(Markup("<br>").join(escape(line) for line in part.splitlines()))
        for part in paragraphs(text)
    )


def _delivery(m: Message) -> rows.Delivery | None:
    if m.direction != "OUT":
        return None
    texts: dict[str, tuple[Literal["queued", "sent", "failed"], str]] = {
        "QUEUED": ("queued", _("Waiting to be sent")), "SENT": ("sent", _("Sent")),
        "FAILED": ("failed", _("Not delivered")), "BOUNCED": ("failed", _("Came back")),
    }  # fmt: skip
    if m.delivery not in texts:
        return None
    state, text = texts[m.delivery]
    why = troubles.of_delivery(m.delivery_error)
    return rows.Delivery(state, text, why.text, why.detail)


def _via(m: Message) -> str:
    source = (m.cause or {}).get("source", "EMAIL")
    return str(CHANNEL_LABELS.get(source, source.title()))


def _notice(m: Message) -> str:
    kept = _("It only says thanks, so the ticket stayed closed.") if (m.cause or {}).get(KEEPS_CLOSED) else ""
    return " ".join(one for one in (_notice_of_reading(m), kept) if one)


def _notice_of_reading(m: Message) -> str:
    if m.is_unverified:
        return _("From outside this conversation and not verified. Nothing was done because of it.")
    found = set(m.cause.get("notices", ())) if m.cause and m.direction == "IN" else set()
    if any(notice.startswith("too large") for notice in found):
        return _("This message is larger than what is taken here. Only its head was kept.")
    if found & {"pgp-encrypted", "smime-encrypted"}:
        return _("This message is encrypted and can't be read here. Its parts are attached.")
    if found - {"pgp-signed", "smime-signed"}:
        return _("This message could not be read fully.")
    return _("This message is signed. The signature was not checked.") if found else ""
