"""A test on one record, on the canvas: lit in order, with reasons, by keyboard, and away again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from deskhand.automation import templates, workflows
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Delay,
    Edge,
    ForAmount,
    IfThen,
    Manual,
)
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

LOOK = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).boxShadow]"


def priority(value: str) -> Filter:
    return Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, (value,))


@pytest.fixture
def flow(office) -> Workflow:
    """Who is urgent waits; who is not gets a mail that nobody can get, then a task."""
    with office.inside() as world:
        templates.ensure_defaults(world.account.pk)
        branches = (
            Branch("Urgent", priority("HIGH"), Edge("2")), Branch("Soon", priority("MEDIUM"), Edge("4")), Branch("Some day", priority("LOW"), Edge("5")),
        )  # fmt: skip
        steps = (
            IfThen("1", branches, Edge("7"), "Not sorted yet"),
            Delay("2", ForAmount(timedelta(days=1)), Edge("3")),
            Action("3", "create_task", {"title": "Call them"}),
            Action("4", "create_task", {"title": "Write to them"}),
            Action("5", "send_email", {"template": "ticket_received"}, Edge("6")),
            Action("6", "create_task", {"title": "Read it some day"}),
            Action("7", "set_property", {"property": "hs_ticket_priority", "value": "LOW"}),
        )
        return workflows.create(
            world.account.pk, "Sort by priority", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=8), by=world.ada.pk
        )  # fmt: skip


def test_a_record_is_tried_on_the_canvas_and_the_test_is_left(tab, office, flow):
    """Dry run: the path lit in order, each branch's reason, the same as a list, and the canvas as it was after it."""
    with office.inside() as world:
        world.ticket(priority="LOW", subject="A broken lamp")
    page: Page = tab(office.world.ada, f"/workflows/{flow.pk}")
    page.get_by_role("link", name="Try it", exact=True).click()
    page.locator(".wf-choices").get_by_role("link", name="A broken lamp").click()
    canvas, beside = page.locator("#flow"), page.get_by_role("complementary", name="A broken lamp")

    expect(canvas.locator("[data-way=taken] .node-place")).to_have_text(
        [f"Step on the way: {n}" for n in (1, 2, 3)]
    )
    expect(canvas.locator("[data-way=not]")).to_have_count(4)
    expect(canvas.locator("#node-1")).to_contain_text("Priority is Low, so: Some day")
    expect(canvas.locator("#node-5")).to_contain_text("Skipped")
    expect(canvas.locator("#node-5")).to_contain_text("There is no contact")
    expect(beside.get_by_role("listitem").filter(has_text="Priority is Low, so: Some day")).to_have_count(1)
    expect(canvas.locator(".branch[data-lit] > details > summary")).to_contain_text(["Some day"])
    lit, dim = (page.locator(f".node:has(> #node-{n})").evaluate(LOOK) for n in (5, 4))
    assert lit != dim

    page.locator("#node-trigger").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#node-1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#stop-1")).to_be_in_viewport()
    beside.get_by_role("link", name="Send email").click()
    expect(page.locator("#node-5")).to_be_in_viewport()
    assert (
        Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}).violations_count
        == 0
    )
    page.set_viewport_size({"width": 390, "height": 844})
    expect(beside.get_by_text("Priority is Low, so: Some day")).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})

    page.locator("#leave").click()
    expect(page.locator("#node-1")).to_be_visible()
    expect(page.locator("[data-way], [data-lit]")).to_have_count(0)
