"""Custom views: filters with a name, in the inbox and as a table (R-VIEW-5 to 7)."""

from __future__ import annotations

import html
import json
import re

import pytest

from deskhand.accounts import policy
from deskhand.accounts.models import Membership
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.desk import custom_views
from deskhand.desk.models import CustomView
from deskhand.events.types import SYSTEM
from deskhand.testing.world import add_stage
from deskhand.web.objects import usage
from deskhand.web.tests.conftest import options, queries_of
from deskhand.web.tests.test_filters import HIGH, condition, one
from deskhand.web.tests.test_inbox import texts
from deskhand.web.tests.test_table import subjects


@pytest.fixture
def client(office, sign_in):
    """Two tickets, one of them high."""
    office.mail("Refund")
    parcel = office.mail("Parcel")
    with office.inside():
        tickets.update(parcel.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
    return sign_in(office.world.grace)


def create(client, name="High ones", sharing="PRIVATE", filters=None, **more):
    form = {
        "name": name,
        "sharing": sharing,
        "f": filters or condition([HIGH]),
        "sort": "hs_ticket_id",
    } | more
    return client.post("/views/create", form)


def side(client) -> dict[str, str]:
    """The custom views in the side with their counts."""
    page = client.get("/inbox/all-open").content.decode()
    links = re.findall(r'(?s)id="view-(?:custom-\d+)".*?</a>', page)
    return {
        re.search(r'title="([^"]*)"', x)[1]: (re.findall(r'side-count">(\d+)<', x) or [""])[0] for x in links
    }


def test_a_view_is_saved_from_a_board_counted_and_opened_in_the_inbox(office, client):
    """R-VIEW-5, R-VIEW-6"""
    with office.inside() as world:
        board = client.get(f"/pipelines/{world.tickets.default.id}/board", {"f": condition([HIGH])})
    link = html.unescape(re.search(r'href="(/views/new[^"]*)"', board.content.decode())[1])
    form = client.get(link).content.decode()
    fields = dict(re.findall(r'type="hidden" name="(f|pipeline|sort)" value="([^"]*)"', form))

    answer = client.post(
        "/views/create",
        {key: html.unescape(value) for key, value in fields.items()}
        | {"name": "High ones", "sharing": "PRIVATE"},
    )
    page = client.get(answer.headers["Location"])

    assert side(client) == {"High ones": "1"}
    assert "Parcel" in texts(page)
    assert "Refund" not in texts(page)
    ticket = re.search(r'href="(/inbox/custom-\d+/\d+)"', page.content.decode())[1]
    assert client.get(ticket).status_code == 200


def test_it_is_a_table_too(office, client):
    create(client)
    with office.inside():
        view = CustomView.objects.get()

    page = client.get(f"/views/{view.pk}/table", follow=True).content.decode()

    assert subjects(page) == ["Parcel"]
    assert 'aria-sort="ascending"' in page


@pytest.mark.parametrize(
    ("sharing", "team_mate", "others"),
    [("PRIVATE", False, False), ("TEAM", True, False), ("EVERYONE", True, True)],
)
def test_whom_it_is_shared_with_sees_it(office, client, sign_in, sharing, team_mate, others):
    """R-VIEW-5"""
    team, bob, eve = office.world.team.pk, office.world.bob, office.world.eve
    with office.inside() as world:
        world.team.members.filter(user=eve).delete()
    create(client, sharing=f"TEAM:{team}" if sharing == "TEAM" else sharing)
    with office.inside():
        view = CustomView.objects.get()

    assert bool(side(sign_in(bob))) == team_mate
    assert bool(side(sign_in(eve))) == others
    assert sign_in(eve).get(f"/inbox/custom-{view.pk}").status_code == (200 if others else 404)
    if team_mate:
        assert (
            sign_in(bob).post(f"/views/{view.pk}/save", {"name": "Mine", "sharing": "PRIVATE"}).status_code
            == 403
        )
        assert sign_in(bob).post(f"/views/{view.pk}/delete").status_code == 403


def test_a_shared_view_shows_each_only_what_they_may_see_R_PERM_1(office, client, sign_in):
    create(client, sharing="EVERYONE")
    office.role(office.world.bob, records={"ticket": {"view": "own"}}, capabilities=["service_access"])

    assert side(sign_in(office.world.bob)) == {"High ones": ""}


def test_without_a_seat_there_are_none_R_VIEW_7(office, client, sign_in):
    create(client, sharing="EVERYONE")
    with office.inside() as world:
        Membership.objects.filter(account=world.account, user=world.bob).update(has_seat=False)
    bob = sign_in(office.world.bob)

    assert side(bob) == {}
    assert bob.get("/views").status_code == 403
    assert create(bob).status_code == 403


def test_views_are_put_in_ones_own_order_renamed_and_deleted(office, client):
    """R-VIEW-5"""
    for name in ("One", "Two", "Three"):
        create(client, name)
    with office.inside():
        ids = dict(CustomView.objects.values_list("name", "id"))

    client.post(f"/views/{ids['Three']}/move", {"step": "-1"})
    assert list(side(client)) == ["One", "Three", "Two"]
    client.post(f"/views/{ids['One']}/save", {"name": "First", "sharing": "EVERYONE"})
    assert list(side(client)) == ["First", "Three", "Two"]
    assert "The view “First” is deleted." in texts(client.post(f"/views/{ids['One']}/delete", follow=True))
    assert list(side(client)) == ["Three", "Two"]
    assert "Three" in texts(client.get("/views"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "A view needs a name."),
        ({"name": "x" * 81}, "The name is too long."),
        ({"sharing": "WORLD"}, "Choose who sees it."),
        ({"sharing": "TEAM:999999"}, "Choose who sees it."),
        ({"sharing": "TEAM:\u00b2"}, "Choose who sees it."),
    ],
)
def test_what_is_wrong_is_said_in_the_form(client, wrong, said):
    answer = client.post(
        "/views/create", {"name": "High", "sharing": "PRIVATE", "f": condition([HIGH])} | wrong
    )

    assert answer.status_code == 422
    assert said in texts(answer)
    assert side(client) == {}


def test_a_name_is_had_once(client):
    create(client)

    answer = create(client)

    assert answer.status_code == 422
    assert "You have a view of this name." in texts(answer)


def test_a_view_whose_filter_is_gone_is_kept_and_says_so(office, client):
    with office.inside():
        made = properties.create("ticket", "colour", "Colour", Kind.TEXT)
    create(client, filters=condition([one("colour", "string", "contains", "red")]))
    assert side(client) == {"High ones": ""}
    with office.inside():
        type(made).objects.filter(pk=made.pk).update(archived_at=office.at)

    assert side(client) == {}
    assert "It filters by something that is gone." in texts(client.get("/views"))

    view = saved(office)
    page = client.get(f"/views/{view.pk}/table", follow=True)
    assert page.status_code == 200
    assert "Colour (not there any more) contains any of red" in said(page)
    assert 'class="filter-text" href' not in page.content.decode()  # no other property can be chosen there
    assert subjects(page.content.decode()) == []
    mended = mend(client, view, page)
    assert sorted(subjects(mended.content.decode())) == ["Parcel", "Refund"]
    assert side(client) == {"High ones": "2"}


def mend(client, view, page):
    """Take the only filter out and save what the page shows."""
    without = html.unescape(re.search(r'class="filter-remove" href="([^"]*)"', page.content.decode())[1])
    page = client.get(without).content.decode()
    return client.post(f"/views/{view.pk}/keep", sent_by(page), follow=True)


def test_counting_views_takes_one_statement_however_many(office, client):
    """R-VIEW-6"""

    create(client, "One")
    few = queries_of(client, "/inbox/all-open")
    for number in range(6):
        create(client, f"View {number}")

    assert queries_of(client, "/inbox/all-open") == few
    assert len(side(client)) == 7
    assert custom_views.MOST > 7


# ── changed where it is shown ────────────────────────────────────────────────────────────────────────────────────────

LOW = one("hs_ticket_priority", "enumeration", "any_of", "LOW")


def bar_of(page: str) -> str:
    """The bar of the view."""
    return re.search(r'(?s)<form class="view-bar".*?</form>', page)[0]


def sent_by(page: str) -> dict[str, list[str]]:
    """What the bar of the view would send."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(pipeline|f|sort|cols|screen)" value="([^"]*)"', bar_of(page)):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def saved(office) -> CustomView:
    with office.inside():
        return CustomView.objects.get(name="High ones")


def test_a_view_is_changed_on_its_table_saved_and_thrown_away(office, client):
    """R-VIEW-5"""
    create(client)
    view = saved(office)
    address = client.get(f"/views/{view.pk}/table").headers["Location"]
    page = client.get(address).content.decode()
    assert "High ones" in bar_of(page)
    assert "Save as new" not in page
    assert f'href="/views/{view.pk}/table"' in client.get(f"/inbox/custom-{view.pk}").content.decode()

    table = address.partition("?")[0]
    changed = {"view": view.pk, "f": condition([LOW]), "sort": "-createdate"}
    columns = client.post(f"{table}/columns", changed | {"cols": ["subject", "createdate"]})
    page = client.get(columns.headers["Location"]).content.decode()
    sent = sent_by(page)
    assert "Changed" in bar_of(page)
    assert subjects(page) == []
    assert (sent["sort"], sent["cols"]) == (["-createdate"], ["subject", "createdate"])
    discard = html.unescape(re.search(r'href="([^"]*)">Discard', page)[1])
    assert subjects(client.get(discard).content.decode()) == ["Parcel"]
    assert "Changed" not in bar_of(client.get(discard).content.decode())

    assert set(sent) == {"pipeline", "f", "sort", "cols", "screen"}
    kept = client.post(f"/views/{view.pk}/keep", sent, follow=True)
    assert "The view “High ones” is saved." in texts(kept)
    assert "Changed" not in bar_of(kept.content.decode())
    view = saved(office)
    assert (view.columns, view.sort) == (["subject", "createdate"], "-createdate")
    assert "LOW" in str(view.condition)
    assert side(client) == {"High ones": ""}


def test_a_changed_view_becomes_a_new_one_with_its_columns(office, client):
    create(client)
    view = saved(office)
    table = client.get(f"/views/{view.pk}/table").headers["Location"].partition("?")[0]

    page = client.get(table, {"view": view.pk, "f": condition([LOW]), "cols": ["subject"]}).content.decode()
    form = client.get(html.unescape(re.search(r'href="([^"]*)">Save as new', page)[1])).content.decode()
    fields = dict(re.findall(r'type="hidden" name="(f|pipeline|sort|cols)" value="([^"]*)"', form))
    client.post(
        "/views/create",
        {key: html.unescape(value) for key, value in fields.items()} | {"name": "Low", "sharing": "PRIVATE"},
    )

    with office.inside():
        assert CustomView.objects.get(name="Low").columns == ["subject"]
        assert "HIGH" in str(CustomView.objects.get(name="High ones").condition)


def test_the_board_of_a_view_knows_it_too(office, client):
    create(client)
    view = saved(office)
    address = client.get(f"/views/{view.pk}/table").headers["Location"].replace("/table", "/board")

    assert "Changed" not in bar_of(client.get(address).content.decode())
    page = client.get(address.partition("?")[0], {"view": view.pk}).content.decode()
    sent = sent_by(page)
    assert "Changed" in bar_of(page)
    assert "/board?" in client.post(f"/views/{view.pk}/keep", sent).headers["Location"]
    assert saved(office).condition == {}


def test_only_its_owner_or_a_super_admin_saves_it(office, client, sign_in):
    create(client, sharing="EVERYONE")
    view, world = saved(office), office.world
    changed = {"f": condition([LOW]), "view": view.pk}
    bob, ada = sign_in(world.bob), sign_in(world.ada)
    with office.inside():
        Membership.objects.filter(account=world.account, user=world.ada).update(is_super_admin=True)

    address = client.get(f"/views/{view.pk}/table").headers["Location"].partition("?")[0]
    page = bob.get(address, changed).content.decode()
    assert ">Save</button>" not in bar_of(page)
    assert "Save as new" in page
    assert bob.post(f"/views/{view.pk}/keep", {"f": condition([LOW])}).status_code == 403
    assert "HIGH" in str(saved(office).condition)
    assert ada.post(f"/views/{view.pk}/keep", {"f": condition([LOW])}).status_code == 302
    assert "LOW" in str(saved(office).condition)


@pytest.fixture
def returns(wired, office):
    """A second pipeline of two statuses."""
    with office.inside() as world:
        stages = [NewStage("Asked", "OPEN"), NewStage("Back", "CLOSED")]
        return pipelines.create(world.account.pk, "ticket", "Returns", stages)


def said(answer) -> str:
    return html.unescape(texts(answer))


def test_a_view_says_which_status_was_deleted_and_is_mended_by_saving(returns, office, client):
    """R-PIPE-10"""
    with office.inside():
        extra = add_stage(returns, "On hold", StageState.OPEN)
    create(client, filters=condition([one("hs_pipeline_stage", "enumeration", "any_of", str(extra.pk))]))
    view = saved(office)
    with office.inside():
        pipelines.delete_stage(extra, in_use=0, by=SYSTEM)

    for page in ("/views", f"/inbox/custom-{view.pk}"):
        assert "The status “On hold” is deleted, and this view asks for it." in said(client.get(page))
    page = client.get(f"/views/{view.pk}/table", follow=True)
    assert "Change the filters or the pipeline, then save." in said(page)
    fields = sent_by(page.content.decode())
    client.post(f"/views/{view.pk}/keep", fields | {"f": condition([HIGH])})
    assert saved(office).gone == []
    assert "is deleted" not in said(client.get(f"/inbox/custom-{view.pk}"))


@pytest.mark.parametrize(
    ("sort", "kind", "operator", "values", "words"),
    [
        ("hs_v2_date_entered", "datetime", "known", (), "Date entered “On hold” (not there any more) is known"),
        ("hs_v2_cumulative_time_in", "duration", "greater", (3_600_000,), "Total time in “On hold” (not there any more) is greater than 1 hour"),
    ],
)  # fmt: skip
def test_a_view_by_the_times_of_a_deleted_status_says_so(
    returns, office, client, sort, kind, operator, values, words
):
    """R-PIPE-10 with R-PROP-3"""
    with office.inside():
        extra = add_stage(returns, "On hold", StageState.OPEN)
    clock = f"{sort}_{extra.pk}"
    create(client, filters=condition([one(clock, kind, operator, *values)]), cols=["subject", clock])
    with office.inside():
        pipelines.delete_stage(extra, in_use=0, by=SYSTEM)

    assert saved(office).gone == [{"kind": "status", "label": "On hold"}]
    assert "The status “On hold” is deleted, and this view asks for it." in said(client.get("/views"))
    view = saved(office)
    for screen in ("table", "board"):
        address = client.get(f"/views/{view.pk}/table").headers["Location"].replace("/table?", f"/{screen}?")
        page = client.get(address)
        assert page.status_code == 200
        assert words in said(page)
        assert subjects(page.content.decode()) == []
    mend(client, view, client.get(f"/views/{view.pk}/table", follow=True))
    assert (saved(office).gone, saved(office).condition, clock in saved(office).columns) == ([], {}, False)
    assert side(client) == {"High ones": "2"}


def test_the_filter_by_a_deleted_status_opens_and_takes_another_one_R_PIPE_10(returns, office, client):
    with office.inside() as world:
        extra, new = add_stage(returns, "On hold", StageState.OPEN), world.stage("New")
    held = str(extra.pk)
    clock = f"hs_v2_date_exited_{held}"
    create(client, filters=condition([one(clock, "datetime", "unknown")]))
    with office.inside():
        pipelines.delete_stage(extra, in_use=0, by=SYSTEM)
    page = client.get(f"/views/{saved(office).pk}/table", follow=True)
    chip = re.search(r'(?s)<span class="filter-chip" data-tone="amber">.*?</span>', page.content.decode())[0]

    form = client.get(html.unescape(re.search(r'href="([^"]*)"', chip)[1])).content.decode()
    chosen = [(value, label) for value, label, is_chosen in options(form, "filter-status") if is_chosen]
    assert chosen == [(held, "On hold (not there any more)")]
    hidden = dict(
        re.findall(
            r'type="hidden" name="(f|edit|prop|view)" value="([^"]*)"',
            form.split('class="filter-editor"')[-1],
        )
    )
    asked = {name: html.unescape(value) for name, value in hidden.items()} | {"op": "known", "apply": "1"}
    table = page.redirect_chain[-1][0].split("?")[0]
    as_it_was = client.get(table, asked | {"status": held})
    assert clock in as_it_was.headers["Location"]
    mended = client.get(client.get(table, asked | {"status": str(new)}).headers["Location"])
    assert "Date left “New (Support pipeline)” is known" in said(mended)
    assert 'class="filter-chip" data-tone' not in mended.content.decode()


def test_a_filter_by_what_was_deleted_is_named_beside_the_view_and_taken_out_at_once_R_PIPE_10(
    returns, office, client
):
    """Until then the view is not saved, whatever else was changed."""
    with office.inside():
        extra = add_stage(returns, "On hold", StageState.OPEN)
    gone = one(f"hs_v2_date_exited_{extra.pk}", "datetime", "unknown")
    refund = one("subject", "string", "contains", "refund")
    create(client, filters=condition([gone, HIGH]))
    view = saved(office)
    with office.inside():
        pipelines.delete_stage(extra, in_use=0, by=SYSTEM)
    table = client.get(f"/views/{view.pk}/table").headers["Location"].split("?")[0]

    page = client.get(table, {"view": view.pk, "f": condition([gone, HIGH, refund])})
    bar = bar_of(page.content.decode())
    words = "This filter asks for something deleted: Date left “On hold” (not there any more) is unknown."
    assert words in html.unescape(bar)
    assert "<button" not in bar
    fields = sent_by(page.content.decode())
    refused = client.post(f"/views/{view.pk}/keep", fields, follow=True)
    assert "The view “High ones” is not saved." in said(refused)
    assert words in said(refused)
    assert saved(office).condition == view.condition

    without = html.unescape(re.search(r'href="([^"]*)">Remove the filter<', bar)[1])
    page = client.get(without)
    assert "asks for something deleted" not in said(page)
    fields = sent_by(page.content.decode())
    assert "The view “High ones” is saved." in said(
        client.post(f"/views/{view.pk}/keep", fields, follow=True)
    )
    assert (saved(office).gone, saved(office).condition) == ([], json.loads(condition([HIGH, refund])))


def test_what_was_deleted_finds_nothing_and_what_may_hold_instead_does_R_PIPE_10(returns, office, client):
    with office.inside():
        extra = add_stage(returns, "On hold", StageState.OPEN)
    gone = one(f"hs_v2_date_exited_{extra.pk}", "datetime", "unknown")
    create(client, filters=condition([gone, HIGH], [HIGH]))
    with office.inside():
        pipelines.delete_stage(extra, in_use=0, by=SYSTEM)

    page = client.get(f"/views/{saved(office).pk}/table", follow=True)

    assert subjects(page.content.decode()) == ["Parcel"]


def test_a_view_of_a_deleted_pipeline_says_so_once_and_opens_on_another(returns, office, client):
    """R-PIPE-10"""
    with office.inside():
        first, second = returns.stages.order_by("display_order")
    both = one("hs_pipeline_stage", "enumeration", "any_of", str(first.pk), str(second.pk))
    create(client, filters=condition([both]), pipeline=returns.pk)
    view = saved(office)
    with office.inside():
        pipelines.delete(returns, in_use=0, by=SYSTEM)

    assert saved(office).gone == [{"kind": "pipeline", "label": "Returns"}]
    assert "The pipeline “Returns” is deleted" in said(client.get(f"/inbox/custom-{view.pk}"))
    page = client.get(f"/views/{view.pk}/table", follow=True)
    assert page.status_code == 200
    fields = sent_by(page.content.decode())
    client.post(f"/views/{view.pk}/keep", fields | {"f": ""})
    assert side(client) == {"High ones": "2"}


def test_what_is_to_go_names_the_views_that_would_miss_it(returns, office, client):
    """R-PIPE-10: private ones by their owners, not by their names"""
    with office.inside():
        properties.create("ticket", "colour", "Colour", Kind.TEXT)
        stage = returns.stages.first()
    colour = one("colour", "string", "contains", "red")
    create(client, "Red ones", filters=condition([colour]))
    create(
        client,
        "Asked ones",
        "EVERYONE",
        condition([one("hs_pipeline_stage", "enumeration", "any_of", str(stage.pk))]),
    )
    create(client, "Returned", "EVERYONE", pipeline=returns.pk)

    with office.inside() as world:
        ada = policy.viewer_for(world.account.pk, world.ada.pk)
        assert [one.text for one in usage.of_property(ada, world.account, "ticket", "colour")] == [
            "A private view of Grace Hopper"
        ]
        assert [
            d.text
            for d in usage.of_status(
                ada,
                world.account,
                pipelines_of("ticket").pipelines[-1],
                pipelines_of("ticket").stage(stage.pk),
            )
        ][-1] == "View “Asked ones”"
        assert [
            d.text for d in usage.of_pipeline(ada, world.account, pipelines_of("ticket").pipelines[-1])
        ] == [
            "View “Asked ones”",
            "View “Returned”",
        ]
