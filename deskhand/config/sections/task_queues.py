"""Task queues: named lists of tasks, and who may use them."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.automation import uses
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.records import task_queues
from deskhand.crm.records.task_queues import NewQueue
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading

_WHO = {"users": Thing.USER, "teams": Thing.TEAM}


class TaskQueues(Section):
    name = "task_queues"

    def export(self, names: Names) -> list[Item]:
        return [
            {
                "name": row.name, "everyone": row.is_for_everyone, "users": _there(names, Thing.USER, row.user_ids),
                "teams": _there(names, Thing.TEAM, row.team_ids),
            }
            for row in task_queues.queues()
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=("everyone", *_WHO))
        name = given["name"].text(at_most=task_queues.NAME)
        item: Item = dict(
            before.get(name)
            or {"name": name, "everyone": not any(field in given for field in _WHO), "users": [], "teams": []}
        )
        if "everyone" in given:
            item["everyone"] = given["everyone"].flag()
        for field, thing in _WHO.items():
            if field in given:
                ids = [names.back(thing, one.text(at_most=320), one.path) for one in given[field].items()]
                item[field] = sorted(names.out(thing, pk) for pk in ids)
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        users, teams = (
            [names.back(thing, one, self.name) for one in item[field]] for field, thing in _WHO.items()
        )
        new = NewQueue(item["name"], item["everyone"], users, teams)
        if before is None:
            task_queues.create(new, by=by)
            names.forget()
        else:
            task_queues.change(names.back(Thing.QUEUE, item["name"], self.name), new, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        task_queues.delete(names.back(Thing.QUEUE, before["name"], self.name), by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        if after is not None:
            return []
        queue_id = names.back(Thing.QUEUE, before["name"], self.name)
        count = task_queues.how_many(queue_id)
        naming = uses.task_queues(current_account_id(), [queue_id]).get(queue_id, ())
        stay = "1 task stays" if count == 1 else f"{count} tasks stay"
        return [
            *([f"{stay}, in no queue"] if count else ()),
            *(
                f"steps of the workflow “{one.name}” name it, and fail until another one is chosen"
                for one in naming
            ),
        ]


def _there(names: Names, thing: Thing, ids: list[int]) -> list[str]:
    """A team that was deleted is for nobody any more; it is named no more."""
    return sorted(name for name in (names.out(thing, one) for one in ids) if not name.startswith("gone: "))
