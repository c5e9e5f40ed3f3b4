"""API tokens, the audit log and the account in the settings."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta

import pytest
from asgiref.sync import async_to_sync

from deskhand.accounts import accounts, audit, plans, roles, teams, tokens, users
from deskhand.accounts.models import Account, ApiToken, AuditEntry
from deskhand.accounts.plans import Feature
from deskhand.crm.pipelines import pipelines
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.routing import rules
from deskhand.routing.types import Option
from deskhand.web.people import audit as pages
from deskhand.web.people import audit_tables
from deskhand.web.people.account import FEATURES
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

TOKENS, AUDIT, ACCOUNT = "/settings/tokens", "/settings/audit", "/settings/account"


@pytest.fixture
def admin(office, sign_in):
    """A super admin."""
    return sign_in(office.world.ada)


def noted(office):
    with office.inside():
        return list(AuditEntry.objects.order_by("number"))


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def make_token(client, **more):
    given = {"name": "Warehouse", "scopes": ["tickets", "files"], "user": "", "days": "90"} | more
    return client.post(f"{TOKENS}/create", given)


def test_a_token_is_shown_once_and_works(office, admin):
    answer = make_token(admin)

    secret = re.search(r'value="(dhk_[^"]+)"', answer.content.decode())[1]
    use = tokens.recognize(secret)
    assert use is not None
    assert (use.account_id, use.user_id, use.scopes) == (
        office.world.account.pk,
        None,
        frozenset({"tickets", "files"}),
    )
    assert answer.headers["Cache-Control"] == "no-store"
    page = admin.get(TOKENS).content.decode()
    assert secret not in page
    assert secret[:10] in page
    [entry] = noted(office)
    assert secret not in str(entry.after)
    assert ApiToken.objects.get().expires_at == office.at + timedelta(days=90)


def test_a_token_says_who_it_acts_for_and_when_it_was_used(office, admin):
    make_token(admin, user=office.world.bob.pk, days="never")
    before = texts(admin.get(TOKENS))
    ApiToken.objects.update(last_used_at=office.at - timedelta(hours=2))

    assert "Acts as: Bob Noyce" in before
    assert "Not used yet" in before
    assert "Expires" not in before
    assert "2h" in texts(admin.get(TOKENS))


def test_a_revoked_token_is_refused_and_marked(office, admin):
    secret = re.search(r"dhk_[\w-]+", make_token(admin).content.decode())[0]
    token = ApiToken.objects.get()

    admin.post(f"{TOKENS}/{token.pk}/revoke")

    assert tokens.recognize(secret) is None
    assert "Revoked" in texts(admin.get(TOKENS))
    assert f"{TOKENS}/{token.pk}/revoke" not in admin.get(TOKENS).content.decode()
    with clock.stopped(office.at + timedelta(days=91)):
        make_token(admin, days="30")
    with clock.stopped(office.at + timedelta(days=191)):
        assert "Expired" in texts(admin.get(TOKENS))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": " "}, "A name has 1 to 100 characters."),
        ({"name": "x" * 101}, "A name has 1 to 100 characters."),
        ({"scopes": []}, "A token needs at least one scope."),
        ({"scopes": ["root"]}, "There is no scope root."),
        ({"user": "x"}, "This choice is not there any more."),
        ({"user": "99999"}, "not a member of the account"),
        ({"days": "x"}, "This choice is not there any more."),
    ],
)
def test_a_refused_token_keeps_what_was_chosen(office, admin, given, said):
    answer = make_token(admin, **given)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert given.get("scopes") is not None or 'value="files" checked' in page
    assert not ApiToken.objects.exists()


def test_who_belongs_elsewhere_gets_no_token_here(neighbour, admin):
    assert make_token(admin, user=neighbour.world.bob.pk).status_code == 422


def test_long_lists_of_tokens_come_a_page_at_a_time(office, admin):
    with office.inside() as world:
        for n in range(51):
            tokens.create(world.account.pk, name=f"T{n}", scopes=["files"])
    first = admin.get(TOKENS).content.decode()
    rest = admin.get(re.search(r'href="(/settings/tokens\?before=\d+)"', first)[1]).content.decode()

    assert len(re.findall(r"/revoke\"", first + rest)) == 51


# ── the audit log ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_action_is_said_in_a_sentence(office, admin):
    """What is recorded anywhere in the product, with who did it and what it was before."""
    with office.inside() as world:
        account_id, by = world.account.pk, Actor.user(world.ada.pk)
        role = roles.create(account_id, "Half", {"records": {"ticket": {"view": "own"}}}, by=by)
        roles.update(
            account_id, role.pk, by=by, given={"records": {"ticket": {"view": "all"}}, "capabilities": ["workflow_view"]}
        )  # fmt: skip
        users.set_role(account_id, world.bob.pk, role_id=role.pk, by=by)
        users.set_seat(account_id, world.bob.pk, has_seat=False, by=by)
        billing = teams.create(account_id, "Billing", by=by)
        teams.set_teams_of(account_id, world.bob.pk, main_id=billing.pk, extra_ids=[world.team.pk], by=by)
        teams.delete(account_id, billing.pk, by=SYSTEM)
        accounts.update(account_id, by=by, name="Nordlys AS", plan="free", features={"webhooks": True})
        rules.set_rule(account_id, world.channel.pk, Option.TEAMS, team_ids=[world.team.pk], by=by)

    shown = texts(admin.get(AUDIT))
    for said in (
        "Ada Lovelace made the role Half.",
        "Ada Lovelace changed the role Half. Tickets · View Their own → All See workflows no → yes",
        "Ada Lovelace changed the role of Bob Noyce. Role Agent → Half",
        "Ada Lovelace changed the seat of Bob Noyce. Seat yes → no",
        "Ada Lovelace changed the teams of Bob Noyce. Main team Support →",
        "Extra teams – → Support",
        "The system deleted the team Billing.",
        "Name Nordlys → Nordlys AS",
        "Plan Everything → Free",
        "Webhooks as the plan says → on",
        "Ada Lovelace changed the routing of Support. Assign to New tickets go to teams",
        "Teams Support Only available users yes",
    ):
        assert said in shown, said
    assert "Wait-list" not in shown  # what was never on is no news
    assert shown.index("deleted the team") < shown.index("made the role Half")


def test_what_nobody_put_into_words_is_shown_all_the_same(office, admin):
    with office.inside() as world:
        by = Actor.user(world.ada.pk)
        audit.record(
            "lamp.lit", by=by, target_type="lamp", target_id=7, after={"is_bright": True, "name": "<b>"}
        )

    page = admin.get(AUDIT).content.decode()
    assert "Ada Lovelace changed the settings: &lt;b&gt;." in page
    assert "is bright" in page


def test_the_log_is_asked_for_person_kind_and_day(office, admin):
    with office.inside() as world:
        account_id = world.account.pk
        for who, name, days in ((world.ada, "Old", 3), (world.grace, "Middle", 2), (world.ada, "New", 1)):
            with clock.stopped(office.at - timedelta(days=days)):
                teams.create(account_id, name, by=Actor.user(who.pk))
        roles.create(account_id, "Role of today", {}, by=Actor.user(world.ada.pk))

    def found(**asked):
        shown = texts(admin.get(AUDIT, asked))
        return [name for name in ("Old", "Middle", "New", "Role of today") if f" {name}." in shown]

    def day(days):
        return (office.at - timedelta(days=days)).date().isoformat()

    assert found() == ["Old", "Middle", "New", "Role of today"]
    assert found(person=office.world.grace.pk) == ["Middle"]
    assert found(kind="role") == ["Role of today"]
    assert found(since=day(2)) == ["Middle", "New", "Role of today"]
    assert found(until=day(2)) == ["Old", "Middle"]
    assert found(since=day(2), until=day(1), kind="team") == ["Middle", "New"]


@pytest.mark.parametrize("asked", ["person=x", "kind=x", "since=x", "since=2026-13-41", "until=9999-12-31", "since=0001-01-01", "before=x", "before=0"])  # fmt: skip
def test_nonsense_in_the_address_is_no_error(office, admin, asked):
    assert admin.get(f"{AUDIT}?{asked}").status_code == 200
    assert admin.get(f"{AUDIT}/file?{asked}").status_code == 200


def test_a_long_log_comes_a_page_at_a_time(office, admin):
    with office.inside() as world:
        for n in range(pages.SHOWN + 3):
            teams.create(world.account.pk, f"T{n:03}", by=SYSTEM)
    first = admin.get(AUDIT, {"kind": "team"}).content.decode()
    more = re.search(r'href="(/settings/audit\?[^"]*before=\d+)"', first)[1].replace("&amp;", "&")
    rest = admin.get(more).content.decode()

    assert "kind=team" in more
    names = re.findall(r"made the team (T\d{3})\.", first + rest)
    assert names == [f"T{n:03}" for n in reversed(range(pages.SHOWN + 3))]


def test_the_log_asks_as_often_however_long_it_is(office, admin):
    counts = []
    for round in range(2):
        with office.inside() as world:
            for n in range(1 if round == 0 else 12):
                team = teams.create(world.account.pk, f"T{round}{n}", by=Actor.user(world.ada.pk))
                teams.set_teams_of(world.account.pk, world.bob.pk, main_id=team.pk, by=SYSTEM)
        counts.append(queries_of(admin, AUDIT))
    assert counts[0] == counts[1]


def rows_of(response):
    async def read():
        return b"".join([part async for part in response.streaming_content])

    return list(csv.reader(io.StringIO(async_to_sync(read)().decode())))


def test_the_file_has_all_that_was_asked_for(office, admin, monkeypatch):
    monkeypatch.setattr(pages, "AT_ONCE", 2)
    with office.inside() as world:
        for name in ("A", "B", "C", "D"):
            teams.create(world.account.pk, name, by=Actor.user(world.ada.pk))
        roles.create(world.account.pk, "=HYPERLINK(1)", {}, by=SYSTEM)

    answer = admin.get(f"{AUDIT}/file", {"kind": "team"})
    head, *lines = rows_of(answer)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    assert head[:4] == ["Number", "Time", "Who", "What happened"]
    assert [line[3] for line in lines] == [f"Ada Lovelace made the team {name}." for name in "DCBA"]
    assert datetime.fromisoformat(lines[0][1]) == office.at
    assert '"name": "A"' in lines[-1][6]


def test_no_cell_of_the_file_is_a_formula(office, admin):
    with office.inside() as world:
        world.ada.name = "=cmd"
        world.ada.save()
        teams.create(world.account.pk, "X", by=Actor.user(world.ada.pk))

    [_head, line] = rows_of(admin.get(f"{AUDIT}/file"))
    assert line[2] == "'=cmd"


def test_it_is_said_whether_the_log_is_as_it_was_written(office, admin):
    with office.inside() as world:
        for name in ("A", "B", "C"):
            teams.create(world.account.pk, name, by=SYSTEM)

    assert "All 3 entries are as they were written." in texts(admin.get(AUDIT, {"check": "1"}))
    with office.inside():
        sql.execute("alter table accounts_auditentry disable trigger audit_is_append_only")
        sql.execute('update accounts_auditentry set after = \'{"name": "Z"}\' where number = 2')
        sql.execute("alter table accounts_auditentry enable trigger audit_is_append_only")
    assert "Entry 2 is not as it was written" in texts(admin.get(AUDIT, {"check": "1"}))


def test_only_super_admins_read_the_log_and_make_tokens(office, sign_in):
    office.role(office.world.grace, "admin")
    grace = sign_in(office.world.grace)

    for url in (AUDIT, f"{AUDIT}/file", TOKENS, f"{TOKENS}/new"):
        assert grace.get(url).status_code == 403
    assert grace.get(ACCOUNT).status_code == 200
    assert f'href="{AUDIT}"' not in grace.get(ACCOUNT).content.decode()


def test_kinds_and_sentences_belong_together():
    """Whatever is said somewhere can be asked for."""
    assert set(audit_tables.KINDS) == {action.partition(".")[0] for action in audit_tables.SENTENCES}


def test_who_is_gone_and_what_is_gone_still_read_well(office, admin):
    with office.inside() as world:
        pipelines.ensure_defaults(world.account.pk)
        audit.record("user.deactivated", by=Actor.user(10**9), target_type="user", target_id=10**9)

    said = "Somebody who is no longer known deactivated somebody who is no longer known."
    assert said in texts(admin.get(AUDIT))


# ── the account ──────────────────────────────────────────────────────────────────────────────────────────────────────


def given(**more):
    return {"name": "Nordlys", "zone": "UTC", "locale": "en", "plan": "everything"} | more


def test_every_feature_has_a_name():
    assert set(FEATURES) == set(Feature)


def test_the_account_is_changed_and_written_down(office, admin):
    answer = admin.post(
        f"{ACCOUNT}/save", given(name="Nordlys AS", zone="Europe/Oslo", locale="nb", plan="professional")
    )

    account = Account.objects.get(pk=office.world.account.pk)
    assert answer.headers["Location"] == ACCOUNT
    assert (account.name, account.zone, account.locale, account.plan) == (
        "Nordlys AS", "Europe/Oslo", "nb", "professional",
    )  # fmt: skip
    [entry] = noted(office)
    assert (entry.action, entry.actor_id, entry.before["plan"]) == (
        "account.updated",
        office.world.ada.pk,
        "everything",
    )
    assert 'lang="nb"' in admin.get(ACCOUNT).content.decode()


def test_a_plan_says_what_it_adds(office, admin):
    """R-TIER-1"""
    shown = texts(admin.get(ACCOUNT))

    starter = shown[shown.index("All of Free, and:") : shown.index("All of Starter, and:")]
    assert "Several ticket pipelines" in starter
    assert "Pipeline rules" not in starter
    added = plans.PRESETS["enterprise"] - plans.PRESETS["professional"]
    enterprise = shown[shown.index("All of Professional, and:") : shown.index("All of Enterprise, and:")]
    assert all(str(FEATURES[one]) in enterprise for one in added)


def test_switches_of_single_features_are_said(office, admin):
    with office.inside() as world:
        accounts.update(world.account.pk, by=SYSTEM, features={"webhooks": True, "skills": False})

    shown = texts(admin.get(ACCOUNT))
    assert "whatever the plan: Webhooks" in shown
    assert "Switched off, whatever the plan: Skills" in shown


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 201}, {"zone": "Mars"}, {"locale": "xx"}, {"plan": "gold"}, {"zone": "\x00"}])  # fmt: skip
def test_a_refused_account_keeps_what_was_typed(office, admin, wrong):
    answer = admin.post(f"{ACCOUNT}/save", given(name="New name") | wrong)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "field-error" in page
    assert "name" in wrong or 'value="New name"' in page
    assert Account.objects.get(pk=office.world.account.pk).name == "Nordlys"
    assert noted(office) == []


def test_zones_that_can_be_chosen_are_zones():
    found = accounts.zones()

    assert {"Europe/Oslo", "America/New_York", "UTC"} <= set(found)
    assert all(accounts.is_zone(one) for one in found)


def test_a_token_needs_a_name(office):
    with office.inside() as world, pytest.raises(Invalid):
        tokens.create(world.account.pk, name=" ", scopes=["files"])
