"""Every text is marked, and every language has all of them."""

from __future__ import annotations

import gettext
import html
import re
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from babel import Locale
from django.conf import settings as django_settings
from django.test import Client
from django.urls import resolve
from django.utils import translation

from deskhand.accounts import accounts, roles, tokens
from deskhand.accounts.models import Account, User
from deskhand.automation import templates, workflows
from deskhand.automation.actions.send_webhook import METHODS
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Delay,
    Edge,
    Every,
    ForAmount,
    IfThen,
    WhenScheduled,
)
from deskhand.automation.models import Replay
from deskhand.automation.replay import replays
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Reach
from deskhand.crm.filters.types import (
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
)
from deskhand.crm.records import tickets
from deskhand.crm.schema.types import Kind
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import conversations, inboxes, threads
from deskhand.desk.conversations import Owner
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.calendars import Block
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job
from deskhand.testing.world import World, make_world
from deskhand.web.middleware import answer_error
from scripts import messages
from tests import pseudo

LANGUAGES = ["da", "de", "it", "nb"]
SIGN_IN = {"en": "Sign in", "da": "Log ind", "de": "Anmelden", "it": "Accedi", "nb": "Logg inn"}
SIGN_IN_TO = {
    "en": "Sign in to Nordlys", "da": "Log ind på Nordlys", "de": "Anmelden bei Nordlys", "it": "Accesso a Nordlys",
    "nb": "Logg inn på Nordlys",
}  # fmt: skip
UNASSIGNED = {
    "en": "Unassigned", "da": "Ufordelte", "de": "Nicht zugewiesen", "it": "Non assegnati", "nb": "Ufordelte",
}  # fmt: skip
BROKEN = {
    "not translated": ('msgstr "Senden"', 'msgstr ""'),
    "marked as unsure": ('msgid "Send"', '#, fuzzy\nmsgid "Send"'),
    "has other placeholders than the source": ("%(count)s offen", "%(number)s offen"),
    "differs from what `make messages` writes": ('msgid "Send"', '#. A remark.\nmsgid "Send"'),
}
PROPER_NAMES = {
    "Deskhand", "English", "Dansk", "Deutsch", "Italiano", "Norsk", "bokmål", "Slack", "Microsoft Teams", "Mattermost", "Discord",
    "Chrome", "Linux",
    *METHODS,
}  # fmt: skip
CUSTOMER = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
LOGIN, LOGOUT = "/account/login/", "/account/logout/"
SAID = "Hvor er pengene mine?"
SUBJECT = "Refusjon mangler"


@pytest.fixture(scope="module")
def texts() -> messages.Catalog:
    return messages.source()


@pytest.fixture(scope="module")
def compiled(texts, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("locale")
    pseudo.compile_catalogs(messages.paths(), directory)
    pseudo.write_pseudo(texts, directory)
    return directory


@pytest.fixture
def speaking(settings, compiled) -> Path:
    """The product with its languages compiled, and the one that nobody speaks among them."""
    settings.LOCALE_PATHS = [compiled]
    settings.LANGUAGES = [*django_settings.LANGUAGES, (pseudo.CODE, "Pseudo")]
    return compiled


@pytest.fixture
def desk(db, noon) -> World:
    """A help desk with a ticket that has been given away, answered and moved."""
    world = make_world("nordlys")
    with account_scope(world.account.pk):
        mail = InboundMessage(
            external_id="1@fjallbo.example", sender=CUSTOMER, subject=SUBJECT, text=SAID, received_at=noon
        )
        received = threads.receive(Incoming(world.channel.pk, mail), at=noon)
        tickets.assign(received.ticket_id, owner_id=world.grace.pk, by=SYSTEM, at=noon)
    return world


@pytest.fixture
def portal(desk) -> str:
    """The address of an open portal."""
    with account_scope(desk.account.pk):
        portals.change(portals.Settings(True, reach=Reach.COMPANY), by=SYSTEM)
    return "/portal/nordlys/"


def speak(user: User, language: str) -> Client:
    User.objects.filter(pk=user.pk).update(locale=language)
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def shown(page: str) -> list[str]:
    """What people see or hear of a page: its texts, and the attributes that are read out; not names for machines."""
    page = re.sub(r"(?s)<(script|style|svg|template|code)\b.*?</\1>|<!--.*?-->", "", page)
    named = re.findall(
        r'\b(?:aria-label|title|placeholder|alt|data-(?:age-\w+|saved|failed))="([^"]*)"', page
    )
    return [html.unescape(text) for text in [*named, *re.split(r"<[^>]*>", page)] if text.strip()]


# ── the catalogues ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_languages_are_those_of_the_settings():
    assert [messages.language(path) for path in messages.paths()] == LANGUAGES
    assert sorted(code for code, _name in django_settings.LANGUAGES if code != "en") == LANGUAGES


@pytest.mark.parametrize("path", messages.paths(), ids=messages.language)
def test_a_language_is_complete(path, texts):
    """All texts and plural forms are there, none unsure or left over, and they fill in what the source fills in."""
    assert list(messages.problems(path, texts)) == []


@pytest.mark.parametrize("problem", BROKEN)
def test_a_broken_catalogue_is_noticed(problem, texts, tmp_path):
    path = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    whole = (messages.CATALOGS / "de" / "LC_MESSAGES" / "django.po").read_text()
    before, after = BROKEN[problem]
    assert whole.count(f"{before}\n") or before in whole

    path.write_text(whole.replace(before, after, 1))

    assert problem in "\n".join(messages.problems(path, texts))


def test_a_text_that_is_gone_leaves_the_catalogue(texts, tmp_path):
    path = tmp_path / "nb" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    whole = (messages.CATALOGS / "nb" / "LC_MESSAGES" / "django.po").read_text()
    path.write_text(f'{whole}\nmsgid "Send by pigeon"\nmsgstr "Send med due"\n')

    assert messages.updated(path, texts) == whole


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogues_can_be_read(compiled, language):
    with (compiled / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        catalog = gettext.GNUTranslations(file)

    assert catalog.gettext("Sign in") == SIGN_IN[language]
    one, many = (catalog.ngettext("%(n)s day", "%(n)s days", n) for n in (1, 2))
    assert one != many
    assert catalog.pgettext("age of a message", "now") != "now"


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_door_speaks_the_visitors_language(speaking, db, language):
    page = Client(headers={"accept-language": language}).get(LOGIN, follow=True)

    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.content.decode()
    assert SIGN_IN[language] in " ".join(shown(page.content.decode()))


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_inbox_speaks_the_agents_language(speaking, desk, language):
    page = speak(desk.grace, language).get("/inbox/all-open", follow=True)

    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.content.decode()
    assert UNASSIGNED[language] in [text.strip() for text in shown(page.content.decode())]


@pytest.mark.parametrize("asked", ["no", "no-NO,no;q=0.9", "nn", "nb-NO"])
def test_norwegian_is_understood_by_every_name(speaking, db, asked):
    page = Client(headers={"accept-language": asked}).get(LOGIN)

    assert SIGN_IN["nb"] in " ".join(shown(page.content.decode()))


def test_a_refusal_is_said_in_the_readers_language_though_its_area_knows_none(speaking, rf):
    with pytest.raises(Invalid) as refused:
        Block(weekday=7, start=540, end=1020)

    with translation.override("de"):
        answer = answer_error(rf.get("/", headers={"hx-request": "true"}), refused.value)

    assert answer.content.decode() == "Ein Wochentag ist 0 (Montag) bis 6 (Sonntag)."


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["Astrid", ""])
def test_the_built_in_mails_can_be_filled_in_every_language(speaking, language, name):
    """R-MAIL-11"""
    record = {"number": 4711, "contact": {"first_name": name}, "channel": {"name": "Support"}}
    for _name, subject, body in templates.BUILT_IN.values():
        with translation.override(language):
            filled = [templates.fill(translation.gettext(text), record) for text in (subject, body)]

        assert all("#4711" in text and "{" not in text for text in filled)
        assert (name or "Support") in filled[1]
        assert filled[1] != body


def test_a_filled_in_text_keeps_what_is_filled_in():
    assert pseudo.pseudo("Tickets") == "[!!! Ŧíçķéŧš··· !!!]"
    assert "%(name)s" in pseudo.pseudo("Reply to %(name)s")
    assert "{{ ticket.number }}" in pseudo.pseudo("Ticket #{{ ticket.number }}")
    assert len(pseudo.pseudo("Assign to me")) >= 1.4 * len("Assign to me")
    assert pseudo.without_marked("a [!!! ñ [!!! ö !!!] !!!] b").split() == ["a", "b"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (LOGIN, 200),
        ("/inbox/all-open", 200),
        ("/settings/tickets", 200),
        ("/settings/tickets/pipelines", 200),
        ("/settings/blocked", 200),
        ("/settings/portal", 200),
        ("/settings/portal/contacts", 200),
        ("/settings/objects", 200),
        ("/settings/contacts/links", 200),
        ("/settings/deals/setup", 200),
        ("/settings/pipelines/automate", 200),
        ("/nowhere", 404),
    ],
)
def test_no_text_of_a_page_is_unmarked(speaking, desk, address, status):
    client = speak(desk.ada, pseudo.CODE)
    if address == LOGIN:
        client.logout()
    answer = client.get(address, follow=True)
    page = answer.content.decode()

    assert answer.status_code == status
    assert f'lang="{pseudo.CODE}"' in page
    assert "[!!! " in page
    assert unmarked(page) == []


def test_no_text_of_a_pipelines_cards_is_unmarked(speaking, desk):
    client = speak(desk.ada, pseudo.CODE)
    page = client.get("/settings/tickets", follow=True).content.decode()
    part = re.search(r'href="(/settings/pipelines/\d+/cards)"', page)
    assert part

    assert unmarked(client.get(part[1]).content.decode()) == []


def test_no_text_of_a_ticket_is_unmarked(speaking, desk):
    client = speak(desk.ada, pseudo.CODE)
    page = client.get("/inbox/all-open", follow=True).content.decode()
    ticket = re.search(r'href="(/inbox/all-open/\d+)"', page)
    assert ticket

    opened = client.get(ticket[1], follow=True).content.decode()

    assert SAID in html.unescape(opened)
    assert unmarked(opened) == []


def test_no_text_of_a_conversation_without_a_ticket_is_unmarked(speaking, desk, noon):
    """In the list, and of whose it is with what became of it."""
    with account_scope(desk.account.pk):
        sales = inboxes.add_channel_account(
            desk.channel.inbox, channel="email", name="Sales", address="sales@nordlys.example"
        )
        inboxes.change(sales, by=SYSTEM, creates_tickets=False)
        mail = InboundMessage(
            external_id="2@fjallbo.example", sender=CUSTOMER, subject=SUBJECT, text=SAID, received_at=noon
        )
        thread = threads.receive(Incoming(sales.pk, mail), at=noon).thread_id
        assert thread
        conversations.assign_many([Owner(thread, desk.grace.pk, SYSTEM)], at=noon)
        conversations.assign_many([Owner(thread, None, Actor.user(desk.ada.pk))], at=noon)
    client = speak(desk.ada, pseudo.CODE)

    for address in ("/inbox/conversations", f"/conversations/{thread}/owner"):
        page = client.get(address).content.decode()
        assert SUBJECT in page
        assert [text for text in unmarked(page) if text != "Sales"] == [], address


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_portal_speaks_the_customers_language(speaking, portal, language):
    page = Client(headers={"accept-language": language}).get(f"{portal}sign-in").content.decode()

    assert f'<html lang="{language}"' in page
    assert SIGN_IN_TO[language] in [text.strip() for text in shown(page)]


def test_no_text_of_the_portal_is_unmarked(speaking, portal, desk):
    headers = {"accept-language": pseudo.CODE}
    client = Client(headers=headers)
    asked = [
        client.get(f"{portal}sign-in"),
        client.get(f"{portal}sign-in?sent"),
        client.post(f"{portal}sign-in", {"email": "x"}),
    ]
    client.post(f"{portal}sign-in", {"email": CUSTOMER.email})
    mail = OutboxEntry.objects.get(recipients=[CUSTOMER.email])
    assert (
        unmarked(
            f"<p>{mail.payload['text'].replace('http', '</p><code>').replace(chr(10), '</code><p>')}</p>"
        )
        == []
    )
    link = re.search(r"/portal/\S+", mail.payload["text"])
    assert link
    asked.append(client.get(link[0]))
    client.post(link[0])
    listed = client.get(portal)
    ticket = re.search(rf'href="({portal}requests/\d+)"', listed.content.decode())
    assert ticket
    asked += [
        listed,
        client.get(f"{portal}?of=company"),
        client.get(f"{portal}?q=nothing"),
        client.get(f"{portal}?sent"),
    ]
    asked += [client.get(ticket[1]), client.get(f"{ticket[1]}?sent"), client.get(f"{portal}requests/new")]
    asked += [
        client.post(f"{portal}requests/new", {}),
        client.get(f"{portal}requests/999999"),
        client.get(link[0]),
    ]

    client.post(f"{portal}sign-out")
    asked.append(client.post(f"{portal}requests/new", {"body": "1"}))

    for number, answer in enumerate(asked):
        page = answer.content.decode()
        assert f'lang="{pseudo.CODE}"' in page, number
        assert unmarked(page) == [], number


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING", "DONE", "FAILED", "CANCELLED"])
def test_no_text_of_a_replay_is_unmarked(speaking, desk, noon, state):
    """All that it may say: what it rests on, what was held, what differs, and each run."""
    Account.objects.filter(pk=desk.account.pk).update(locale=pseudo.CODE)
    with account_scope(desk.account.pk):
        templates.ensure_defaults(desk.account.pk)
        old = Filter("last_reply_date", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(1, Unit.MINUTE),))
        linked = Associated("contact", AllOf((old, MemberOf("segment", (1,)), MemberOf("workflow", (1,)))))
        steps = (
            Action("1", "send_email", {"template": "ticket_received"}, Edge("2")),
            IfThen("2", (Branch(SAID, AnyOf((old, linked)), Edge("3")),), Edge("3")),
            Action("3", "rotate_owner", {"users": [desk.ada.pk]}, Edge("4")),
            Action("4", "custom_code", {}, Edge("5")),
            Action("5", "create_note", {"text": SAID}, Edge("6")),
            Delay("6", ForAmount(timedelta(hours=1), is_working_time=True)),
        )
        daily = WhenScheduled(AllOf(), Every.DAY, 12 * 60)
        definition = Definition("ticket", daily, start=Edge("1"), steps=steps, next_id=7)
        flow = workflows.create(desk.account.pk, SUBJECT, definition, by=desk.ada.pk)
        found = replays.start(flow, definition, days=7, is_draft=True, by=1, now=noon + timedelta(days=3))
    if state not in ("QUEUED", "CANCELLED"):
        replays.run(Job(1, desk.account.pk, {"replay": found.pk}, threading.Event()))
    Replay.objects.filter(pk=found.pk).update(state=state, held=2, held_at=noon, left_out=1, is_full=True)
    client = speak(desk.ada, pseudo.CODE)
    addresses = [f"/workflows/{flow.pk}/replay", f"/workflows/{flow.pk}/replay/{found.pk}/1"]
    for address in addresses if state == "DONE" else addresses[:1]:
        page = client.get(address).content.decode()
        assert "wf-rests" in page or address != addresses[0]
        assert [text for text in unmarked(page) if text != "Ticket received"] == []  # the account's own mail


def test_no_page_that_links_lead_to_has_unmarked_texts(speaking, desk):
    client = speak(desk.ada, pseudo.CODE)
    seen, ahead = (
        set(),
        [
            "/inbox/all-open",
            "/settings/pipelines/automate",
            "/settings/channels",
            "/settings/system",
            "/workflows",
            "/workflows/folders",
            "/workflows/review",
            "/workflows/new",
            "/settings/automation-sending",
            "/settings/users",
            "/mailbox",
            "/search?q=a",
            "/search/palette",
            "/notifications/bell",
            LOGOUT,
        ],
    )
    left: dict[str, list[str]] = {}
    alike = Counter[tuple[str, ...]]()
    while ahead:
        address = ahead.pop()
        seen.add(address)
        alike[kind := kind_of(address)] += 1
        if alike[kind] > ALIKE:
            continue
        answer = client.get(address, follow=True)
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        page = answer.content.decode()
        left |= {address: texts} if (texts := unmarked(page)) else {}
        links = re.findall(r'(?:href|hx-get)="(/[^"#]*)"', page)
        told = {html.unescape(link) for link in links if not link.startswith("/static/")}
        ahead += sorted(told - seen - {*ahead})

    assert left == {}
    assert len(seen) > 25


ALIKE = 4  # pages of one view that differ in what they are asked


def kind_of(address: str) -> tuple[str, ...]:
    asked = urlsplit(address)
    query = parse_qs(asked.query)
    return (resolve(asked.path).view_name, *sorted(query), *query.get("kind", ()))


def test_an_unmarked_text_is_noticed(desk):
    page = f'<p title="Close">{pseudo.pseudo("Reply to Astrid")} Grace Hopper</p><p>Only for you</p>'

    assert unmarked(page) == ["Close", "Only for you"]


def unmarked(page: str) -> list[str]:
    """Texts with words in them that are neither marked nor somebody's name or words."""
    data = {"Nordlys", "Support", SUBJECT, SAID, CUSTOMER.name, CUSTOMER.email, "support@nordlys.example"}
    data |= {user.name for user in User.objects.all()} | {user.email for user in User.objects.all()}
    known = {word for text in data | PROPER_NAMES | _dates() for word in words_of(text)}
    left = [(text, words_of(pseudo.without_marked(text))) for text in shown(page)]
    return [
        text for text, words in left if words - known and text.removesuffix(" · Deskhand").strip() not in KEPT
    ]


#: What the account keeps as it is, whoever reads it: names of its roles, of time zones and of scopes.
KEPT = {
    "Pseudo",
    *roles.NAMES.values(),
    *tokens.SCOPES,
    *(zone.replace("_", " ") for zone in accounts.zones()),
}


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{2,}", text.casefold()))


def _dates() -> set[str]:
    """What Babel puts into a full date, and the account's zone."""
    locale = Locale.parse(pseudo.CODE)
    names = [locale.months, locale.days]
    return {"UTC", locale.date_formats["full"].pattern} | {
        name
        for kind in names
        for forms in kind.values()
        for width in forms.values()
        for name in width.values()
    }
