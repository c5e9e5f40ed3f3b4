"""The editor of workflows, by plain forms and in parts."""

from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse

from deskhand.automation import drafts, templates, workflows
from deskhand.automation.engine.definition import Definition, ForAmount, IfThen
from deskhand.automation.models import Workflow, WorkflowRevision

HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin(office, sign_in):
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
    return sign_in(office.world.ada)


@pytest.fixture
def flow(office, admin):
    with office.inside() as world:
        return workflows.create(world.account.pk, "Triage", Definition("ticket"), by=world.ada.pk)


class Editor:
    """What somebody does in it."""

    def __init__(self, office, client, workflow):
        self.office, self.client, self.workflow = office, client, workflow

    def url(self, name, *args, **query):
        address = reverse(f"workflow-edit{'-' if name else ''}{name}", args=[self.workflow.pk, *args])
        return address + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")

    def page(self, name="", *args, **query):
        return unescape(self.client.get(self.url(name, *args, **query)).content.decode())

    def token(self):
        with self.office.inside():
            return drafts.of(Workflow.objects.get(pk=self.workflow.pk)).token

    def post(self, name, *args, data=None, htmx=False, **more):
        sent = {"token": self.token()} | (data or {}) | more
        return self.client.post(self.url(name, *args), sent, headers=HTMX if htmx else {})

    def add(self, kind, after="", slot="", **typed):
        return self.post("added", data={"kind": kind, "after": after, "slot": slot, **typed})

    def definition(self):
        with self.office.inside():
            return drafts.of(Workflow.objects.get(pk=self.workflow.pk)).definition


@pytest.fixture
def editor(office, admin, flow):
    return Editor(office, admin, flow)


def test_an_empty_workflow_shows_its_trigger_and_where_to_begin(editor):
    page = editor.page()

    assert "Enroll by hand" in page
    assert "Add the first action" in page
    assert page.count("need attention") + page.count("needs attention") == 1


def test_actions_are_added_edited_and_deleted_in_the_draft(editor):
    added = editor.add("create_task", title="Call", assignee="owner")
    assert added.status_code == 302

    editor.add("delay", "1", wait="amount", amount_days="2")
    page = editor.page()
    assert all(words in page for words in ("Wait 2 days", "Call", "Draft"))

    editor.post("step-save", 1, title="Write", assignee="owner")
    assert editor.definition().by_id["1"].settings["title"] == "Write"
    assert editor.definition().by_id["2"].wait == ForAmount(timedelta(days=2))

    editor.post("step-deleted", 1, what="one")
    assert [step.id for step in editor.definition().steps] == ["2"]
    with editor.office.inside():
        assert WorkflowRevision.objects.filter(workflow=editor.workflow).count() == 1


def test_all_panels_open(editor):
    editor.add("create_task", title="Call", assignee="owner")
    editor.add(
        "if-then",
        "1",
        way="0",
        **{
            "way0-name": "Urgent",
            "way0-when-f": "",
            "way0-when-edit": "0.0",
            "way0-when-prop": "ticket.hs_ticket_priority",
            "way0-when-op": "any_of",
            "way0-when-value": ["HIGH"],
        },
    )
    assert isinstance(editor.definition().by_id["2"], IfThen)
    for name, args in [
        ("add", []),
        ("trigger", []),
        ("settings", []),
        ("review", []),
        ("switch", []),
        ("step", [1]),
        ("step", [2]),
        ("step-delete", [2]),
        ("step-place", [1]),
        ("step-comments", [1]),
    ]:
        assert "panel-title" in editor.page(name, *args), name
        assert editor.client.get(editor.url(name, *args), headers=HTMX).status_code == 200
    for kind in (
        "delay",
        "if-then",
        "value-equals",
        "random-split",
        "send_email",
        "internal_email",
        "set_property",
    ):
        assert "panel-form" in editor.page("add", kind=kind), kind
    page = editor.page()
    assert "Urgent" in page
    assert "None met" in page
