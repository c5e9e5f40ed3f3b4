"""The bell and the profile: what one is told, what one chose, and what is refused."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand import wiring
from deskhand.accounts.models import Account, Plan, User
from deskhand.automation import lanes
from deskhand.automation.models import Workflow
from deskhand.channels.email import alarms
from deskhand.crm.records import tasks, tickets
from deskhand.crm.records.tasks import Wanted
from deskhand.delivery import push
from deskhand.delivery.sender import Sender
from deskhand.desk import replies
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.notifications import pages
from deskhand.notifications.models import Browser, Notification
from deskhand.testing.sites import calling_site
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts


@pytest.fixture
def told(office, wired):
    """Grace is told of a ticket."""

    def tell(subject="Refund still missing", **more):
        ticket = office.mail(subject, external_id=f"{subject}@x")
        with office.inside() as world:
            tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM, at=clock.now())
            replies.comment(ticket.pk, f"@{world.grace.username} look", by=world.ada, at=clock.now())
        while Dispatcher().run_once():
            pass
        return ticket

    return tell


def test_the_bell_says_what_happened_by_ticket(told, grace):
    """UI §7"""
    ticket = told()

    shown = grace.get("/notifications/bell").content.decode()

    assert shown.count('class="bell-group"') == 1
    assert f'href="/inbox/all-open/{ticket.pk}"' in shown
    assert "Ada Lovelace mentioned you" in shown
    assert "This ticket was assigned to you" in shown
    assert 'data-waiting="2"' in shown
    assert "2 unread" in shown
    assert "Ada Lovelace mentioned you" in texts(grace.get("/notifications"))


def test_a_task_that_was_given_leads_to_it_beside_its_ticket(told, grace, office):
    ticket = told()
    with office.inside() as world:
        wanted = Wanted("Call the courier", assignee_id=world.grace.pk)
        task_id = tasks.create("ticket", ticket.pk, wanted, by=Actor.user(world.ada.pk))
    while Dispatcher().run_once():
        pass

    shown = grace.get("/notifications/bell").content.decode()

    assert "Ada Lovelace gave you the task “Call the courier”" in shown
    assert f'href="/inbox/all-open/{ticket.pk}#task-{task_id}"' in shown
    assert f'id="task-{task_id}"' in grace.get(f"/inbox/all-open/{ticket.pk}").content.decode()


def test_every_page_says_how_many_are_unread(told, grace):
    told()

    page = grace.get("/settings/profile").content.decode()

    assert 'aria-label="Notifications: 2 unread"' in page


def test_opening_the_ticket_reads_what_was_told_of_it(told, grace):
    ticket = told()
    other = told("Lamp")

    grace.get(f"/inbox/all-open/{ticket.pk}")

    shown = grace.get("/notifications/bell").content.decode()
    assert 'data-waiting="2"' in shown
    assert f"/notifications/{other.pk}/read" in shown
    assert f"/notifications/{ticket.pk}/read" not in shown


def test_one_ticket_and_all_can_be_marked_as_read(told, grace, office):
    ticket, _other = told(), told("Lamp")

    assert grace.post(f"/notifications/{ticket.pk}/read")["Location"] == "/notifications"
    assert "2 unread" in texts(grace.get("/notifications"))
    part = grace.post("/notifications/read", headers={"HX-Request": "true"}).content.decode()

    assert 'id="bell"' in part
    assert "0 unread" in part
    with office.inside():
        assert not Notification.objects.filter(read_at=None).exclude(user_id=office.world.ada.pk).exists()


def test_nobody_reads_or_marks_what_others_were_told(told, office, sign_in):
    ticket = told()
    bob = sign_in(office.world.bob)

    assert "No notifications" in texts(bob.get("/notifications"))
    assert bob.post(f"/notifications/{ticket.pk}/read").status_code == 404
    bob.post("/notifications/read")
    with office.inside() as world:
        assert Notification.objects.filter(user_id=world.grace.pk, read_at=None).count() == 2


def test_the_bell_asks_as_often_for_many_as_for_few(told, grace):
    told()
    few = queries_of(grace, "/notifications")
    for n in range(4):
        told(f"Lamp {n}")
    assert queries_of(grace, "/notifications") == few


def test_a_failure_leads_to_where_it_is_set_right_and_is_read_there(office, sign_in, wired):
    """R-LOG-7, R-NOT-16"""
    ada, bob = sign_in(office.world.ada), sign_in(office.world.bob)
    with office.inside() as world:
        alarms.quarantined([world.channel.pk] * 2)
        alarms.stopped(world.channel.pk)
    while Dispatcher().run_once():
        pass

    shown = ada.get("/notifications/bell").content.decode()
    assert 'href="/settings/system#quarantine"' in shown
    assert "2 mails are in quarantine" in shown
    assert f'href="/settings/channels/{office.world.channel.pk}"' in shown
    assert "2 unread" in shown
    assert "No notifications" in texts(bob.get("/notifications"))
    assert "Failures" not in texts(bob.get("/settings/notifications"))
    assert "Failures" in texts(ada.get("/settings/notifications"))

    ada.get("/settings/system")
    assert "1 unread" in ada.get("/notifications/bell").content.decode()
    read = f"/notifications/failures/receiving/{office.world.channel.pk}/read"
    assert bob.post(read).status_code == 404
    assert ada.post(read)["Location"] == "/notifications"
    assert "0 unread" in ada.get("/notifications/bell").content.decode()


def test_who_is_offered_no_choice_about_failures_has_made_none(office, sign_in):
    """Whoever becomes an administrator later is told like all others (R-NOT-2)."""
    bob = sign_in(office.world.bob)
    bob.post("/settings/notifications/save", {"bell": ["assigned"]})
    with office.inside() as world:
        world.bob.memberships.filter(account=world.account).update(is_super_admin=True)

    assert 'name="bell" value="failure" checked' in bob.get("/settings/notifications").content.decode()


def test_the_way_to_an_automation_is_its_lane(office, sign_in):
    ada = sign_in(office.world.ada)
    with office.inside() as world:
        pipeline_id, stage_id = world.tickets.default.id, world.stage("New")
        lanes.add_step("ticket", stage_id, "create_task", {"title": "Call"}, by=world.ada.pk)
        [lane] = Workflow.objects.filter(origin_stage_id=stage_id)

    answer = ada.get(f"/settings/pipelines/workflows/{lane.pk}")

    assert answer["Location"] == f"/settings/pipelines/{pipeline_id}/automate#lane-{stage_id}"
    assert ada.get("/settings/pipelines/workflows/999999").status_code == 404


@pytest.mark.parametrize("before", ["x", "-1", "9" * 19])
def test_a_place_that_is_none_is_not_found(grace, before):
    assert grace.get(f"/notifications?before={before}").status_code == 404


def test_what_one_chose_is_kept(grace, told):
    """R-NOT-2, R-NOT-5"""
    answer = grace.post(
        "/settings/notifications/save", {"bell": ["assigned"], "mail": ["message", "nonsense"]}
    )

    assert answer["Location"] == "/settings/notifications"
    page = grace.get("/settings/notifications").content.decode()
    checked = re.findall(r'name="(\w+)" value="(\w+)" checked', page)
    assert checked == [("bell", "assigned"), ("mail", "message")]
    assert not re.search(r'name="quiet" value="1" checked', page)
    told()
    assert "1 unread" in texts(grace.get("/notifications"))


def test_what_must_be_asked_for_is_off_and_quiet_is_on(grace):
    """R-NOT-12, R-NOT-14"""
    page = grace.get("/settings/notifications").content.decode()

    assert 'value="unassigned"' in page
    assert not re.search(r'value="unassigned" checked', page)
    assert re.search(r'name="quiet" value="1" checked', page)
    grace.post("/settings/notifications/save", {"bell": ["unassigned"], "quiet": "1"})
    page = grace.get("/settings/notifications").content.decode()
    assert re.search(r'name="bell" value="unassigned" checked', page)
    assert re.search(r'name="quiet" value="1" checked', page)


DEFAULTS = "/settings/notifications/defaults"


def test_super_admins_set_what_is_told_to_who_chose_nothing(ada, grace, office):
    """R-NOT-3, T-NOT-1"""
    grace.post("/settings/notifications/save", {"bell": ["mention"], "mail": [], "quiet": "1"})
    assert f'href="{DEFAULTS}"' in ada.get("/settings/notifications").content.decode()
    assert 'name="bell" value="failure" checked' in ada.get(DEFAULTS).content.decode()

    answer = ada.post(
        f"{DEFAULTS}/save", {"bell": ["unassigned"], "mail": ["message", "mention", "nonsense"]}
    )

    assert answer["Location"] == DEFAULTS
    ways = r'name="(\w+)" value="(\w+)" checked'
    assert re.findall(ways, ada.get(DEFAULTS).content.decode()) == [
        ("mail", "mention"),
        ("mail", "message"),
        ("bell", "unassigned"),
    ]
    assert re.findall(ways, grace.get("/settings/notifications").content.decode())[:1] == [
        ("bell", "mention")
    ]
    mine = re.findall(ways, ada.get("/settings/notifications").content.decode())
    assert mine == [("mail", "mention"), ("mail", "message"), ("bell", "unassigned"), ("quiet", "1")]
    log = texts(ada.get("/settings/audit"))
    assert "Ada Lovelace changed what people are told who chose nothing." in log


def test_who_is_no_super_admin_or_has_another_plan_sets_no_defaults(ada, grace, office):
    """R-NOT-3"""
    assert grace.get(DEFAULTS).status_code == grace.post(f"{DEFAULTS}/save").status_code == 403
    assert DEFAULTS not in grace.get("/settings/notifications").content.decode()
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.PROFESSIONAL)

    assert ada.get(DEFAULTS).status_code == ada.post(f"{DEFAULTS}/save").status_code == 404
    assert DEFAULTS not in ada.get("/settings/notifications").content.decode()


def test_what_an_administrator_locked_is_shown_and_not_chosen_R_NOT_12(ada, grace):
    ada.post(
        f"{DEFAULTS}/save", {"bell": ["mention"], "mail": ["mention"], "locked": ["mention", "nonsense"]}
    )

    page = grace.get("/settings/notifications").content.decode()
    assert 'name="mail" value="mention" checked disabled aria-describedby="locked-mention"' in page
    assert "Set for everybody" in page
    assert 'name="locked" value="mention" checked' in ada.get(DEFAULTS).content.decode()
    grace.post("/settings/notifications/save", {"popup": ["mention"]})
    page = grace.get("/settings/notifications").content.decode()
    assert re.findall(r'name="(\w+)" value="mention" checked', page) == ["bell", "mail"]


def test_a_way_is_switched_off_and_on_and_its_topics_stay_R_NOT_5(grace):
    switch = r'id="switch-mail" role="switch" aria-checked="(\w+)"'
    ways = "/settings/notifications/ways"
    said = []
    for given in ({}, {}, {"on": "1"}):
        assert grace.post(f"{ways}/mail", given)["Location"] == "/settings/notifications"
        page = grace.get("/settings/notifications").content.decode()
        said += re.findall(switch, page)
        assert 'name="mail" value="mention" checked' in page

    assert said == ["false", "false", "true"]
    assert grace.post(f"{ways}/pigeon").status_code == 404


def test_all_is_cleared_and_comes_back_as_the_account_has_it_R_NOT_5(grace):
    chosen = r'name="(\w+)" value="\w+" checked'
    before = re.findall(chosen, grace.get("/settings/notifications").content.decode())

    grace.post("/settings/notifications/clear")
    assert set(re.findall(chosen, grace.get("/settings/notifications").content.decode())) == {"quiet"}
    grace.post("/settings/notifications/forget")

    assert re.findall(chosen, grace.get("/settings/notifications").content.decode()) == before


def test_what_pops_up_is_in_the_bell_for_some_moments_R_NOT_4(told, grace, office):
    ticket = told()
    shown = grace.get("/notifications/bell").content.decode()
    assert len(re.findall(rf'data-popup="\d+" data-about="Refund still missing" data-text="[^"]+" data-url="/inbox/all-open/{ticket.pk}"', shown)) == 2  # fmt: skip

    with office.inside():
        Notification.objects.update(created_at=clock.now() - timedelta(seconds=21))

    assert "data-popup" not in grace.get("/notifications/bell").content.decode()


def test_super_admins_say_how_many_mails_are_enough_R_NOT_7(ada, grace):
    limit = "/settings/notifications/limit/save"
    assert 'name="hourly" type="text" value="50"' in ada.get(DEFAULTS).content.decode()
    assert ada.post(limit, {"hourly": "20"})["Location"] == DEFAULTS
    assert 'name="hourly" type="text" value="20"' in ada.get(DEFAULTS).content.decode()

    answer = ada.post(limit, {"hourly": "many"})

    assert answer.status_code == 422
    assert 'id="hourly-error"' in answer.content.decode()
    assert 'value="many"' in answer.content.decode()
    assert grace.post(limit, {"hourly": "20"}).status_code == 403
    assert "Ada Lovelace changed how many mails people get in an hour." in texts(ada.get("/settings/audit"))


# ── browsers and chat ────────────────────────────────────────────────────────────────────────────────────────────────

KEY = push.public_key(push.new_key())
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = {"endpoint": "https://push.example/very-secret", "key": KEY, "secret": "A" * 22}
SETTINGS = "/settings/notifications"


def test_a_browser_is_allowed_tried_and_removed_by_who_allowed_it_R_NOT_4(grace, ada, office):
    add = f"{SETTINGS}/browsers/add"
    for _n in range(2):  # twice is once
        assert grace.post(add, BROWSER, headers={"User-Agent": FIREFOX})["Location"] == SETTINGS
    with office.inside():
        pk = Browser.objects.get().pk

    page = grace.get(SETTINGS).content.decode()
    assert "Firefox · Linux" in page
    assert "very-secret" not in page
    assert "Firefox" not in texts(ada.get(SETTINGS))
    for verb in ("try", "remove"):
        assert ada.post(f"{SETTINGS}/browsers/{pk}/{verb}").status_code == 404
    grace.post(f"{SETTINGS}/browsers/{pk}/try")
    assert "A message is on its way." in texts(grace.get(SETTINGS))
    assert grace.post(f"{SETTINGS}/browsers/{pk}/remove")["Location"] == SETTINGS
    assert "Firefox" not in texts(grace.get(SETTINGS))


@pytest.mark.parametrize(
    "wrong", [{"endpoint": "file:///etc/passwd"}, {"endpoint": ""}, {"key": "x"}, {"secret": "\0"}]
)
def test_what_is_no_browser_is_refused(grace, office, wrong):
    answer = grace.post(f"{SETTINGS}/browsers/add", BROWSER | wrong)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    with office.inside():
        assert not Browser.objects.exists()


def test_a_chat_is_named_tried_and_forgotten_and_its_address_is_never_shown_R_NOT_4(grace, ada):
    chat = {"service": "mattermost", "address": " https://chat.example/hooks/very-secret "}
    assert grace.post(f"{SETTINGS}/chat/save", chat)["Location"] == SETTINGS

    page = grace.get(SETTINGS).content.decode()
    assert "https://chat.example/…" in page
    assert "very-secret" not in page
    assert ada.post(f"{SETTINGS}/chat/try").status_code == 404
    grace.post(f"{SETTINGS}/chat/try")
    assert "A message is on its way." in texts(grace.get(SETTINGS))
    grace.post(f"{SETTINGS}/chat/remove")
    assert "chat.example" not in grace.get(SETTINGS).content.decode()


def test_why_a_message_to_a_chat_failed_is_told_in_the_readers_language_R_NOT_4(grace, office, monkeypatch):
    """The worker that was refused speaks none."""
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    User.objects.filter(pk=office.world.grace.pk).update(locale="de")
    with calling_site() as there:
        there.says((404, {}, "no_service"))
        grace.post(f"{SETTINGS}/chat/save", {"service": "slack", "address": f"{there.url}/services/T0"})
        grace.post(f"{SETTINGS}/chat/try")
        with translation.override(None):
            Sender(wiring.transports(), threads=0).drain()

        shown = texts(grace.get(SETTINGS))

    with translation.override("de"):
        why = _("There is nothing at this address any more.")
        said = _("The last message failed: %(why)s") % {"why": why}
    assert said in shown
    assert "nothing at this address" not in said
    assert f"Refused: {there.url.rpartition(':')[0]} answered 404: no_service" in shown


def test_who_sets_or_removes_the_address_of_a_chat_is_in_the_log_R_NOT_4(grace, ada):
    """With whom it goes to, and not with the address."""
    for host in ("chat", "other"):
        chat = {"service": "mattermost", "address": f"https://{host}.example/hooks/very-secret"}
        grace.post(f"{SETTINGS}/chat/save", chat)
    for _n in range(2):  # what is gone is removed no more
        grace.post(f"{SETTINGS}/chat/remove")

    shown = texts(ada.get("/settings/audit"))
    was, became = "Mattermost, https://chat.example", "Mattermost, https://other.example"
    assert "Grace Hopper set the address of a chat for their notifications. Address " + was in shown
    assert f"Address {was} → {became}" in shown
    assert shown.count("Grace Hopper removed the address of the chat for their notifications.") == 1
    assert "very-secret" not in shown


@pytest.mark.parametrize("wrong", [{"service": "icq"}, {"address": "nonsense"}, {"address": "https://a:b@chat.example/x"}, {"address": "https://chat.example/" + "x" * 2_000}])  # fmt: skip
def test_an_address_that_is_none_is_refused_with_why(grace, wrong):
    answer = grace.post(
        f"{SETTINGS}/chat/save", {"service": "slack", "address": "https://chat.example/x"} | wrong
    )

    assert answer.status_code == 422
    assert 'id="chat-address-error"' in answer.content.decode()


def test_the_worker_of_pushes_stands_at_the_root_for_who_is_not_signed_in_too(client):
    answer = client.get("/push-worker.js")

    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert b"showNotification" in answer.content


# ── the profile ──────────────────────────────────────────────────────────────────────────────────────────────────────

PROFILE = {
    "name": "Grace Brewster",
    "locale": "da",
    "zone": "Europe/Oslo",
    "theme": "dark",
    "after_close": "stay",
}


@pytest.mark.parametrize(("who", "first"), [("ada", "/settings/users"), ("grace", "/settings/snippets")])
def test_the_settings_begin_with_the_first_page_that_one_may_see(office, sign_in, who, first):
    assert sign_in(getattr(office.world, who)).get("/settings")["Location"] == first


def test_a_profile_is_kept_and_holds_at_once(grace, office):
    answer = grace.post("/settings/profile/save", PROFILE)

    assert answer["Location"] == "/settings/profile"
    user = User.objects.get(pk=office.world.grace.pk)
    assert (user.name, user.locale, user.zone, user.theme) == ("Grace Brewster", "da", "Europe/Oslo", "dark")
    assert (user.after_close, user.has_shortcuts) == ("stay", False)
    page = grace.get("/settings/profile").content.decode()
    assert '<html lang="da" data-theme="dark">' in page
    assert 'data-keys="off"' in page
    assert 'value="Grace Brewster"' in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "name"),
        ({"locale": "xx"}, "Choose one of the languages"),
        ({"zone": "Mars/Olympus"}, "is not a time zone"),
        ({"after_close": "explode"}, "Choose what follows"),
    ],
)
def test_what_can_not_be_taken_is_said_and_what_was_typed_stays(grace, office, wrong, said):
    answer = grace.post("/settings/profile/save", PROFILE | {"locale": ""} | wrong)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert 'role="alert"' in page
    if "name" not in wrong:
        assert 'value="Grace Brewster"' in page
    assert User.objects.get(pk=office.world.grace.pk).name == "Grace Hopper"


@pytest.mark.parametrize(("choice", "where"), [("next", "other"), ("stay", "same"), ("list", "list")])
def test_closing_a_ticket_leads_where_one_chose(grace, office, choice, where):
    first, second = office.mail("First"), office.mail("Second", external_id="2@x")
    User.objects.filter(pk=office.world.grace.pk).update(after_close=choice)
    with office.inside() as world:
        closed = world.stage("Closed")

    answer = grace.post(f"/inbox/all-open/{first.pk}/status", {"status": closed, "then": "next"})

    addresses = {
        "other": f"/inbox/all-open/{second.pk}",
        "same": f"/inbox/all-open/{first.pk}",
        "list": "/inbox/all-open",
    }
    assert answer["Location"] == addresses[where]


def test_mails_lead_to_the_pages_that_there_are():
    assert pages.ticket(7) == reverse("inbox-ticket", args=["all-open", 7])
    assert pages.workflow(7) == reverse("automate-workflow", args=[7])
    assert pages.channel(7) == reverse("channel", args=[7])
    assert reverse("notification-settings") == pages.SETTINGS
    assert reverse("system") == pages.SYSTEM
    assert reverse("availability-mine") == pages.AVAILABILITY
