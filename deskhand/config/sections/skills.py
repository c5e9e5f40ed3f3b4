"""Skills: their categories, what they are called, and the teams that have them. Who else has them is people's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading
from deskhand.routing import skills
from deskhand.routing.models import TeamSkill


class SkillCategories(Section):
    name = "skill_categories"

    def export(self, names: Names) -> list[Item]:
        return [
            {"name": one.name, "languages": one.is_language}
            for one in skills.categories(current_account_id())
        ]

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=("languages",))
        name = given["name"].text(at_most=skills.NAME)
        item: Item = dict(before.get(name) or {"name": name, "languages": False})
        if "languages" in given:
            item["languages"] = given["languages"].flag()
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        """There is one category of languages in each account: another name for it renames it."""
        account_id = current_account_id()
        if item["languages"]:
            skills.rename_category(account_id, skills.ensure_languages(account_id).pk, item["name"], by=by)
        elif before is None:
            skills.create_category(account_id, item["name"], by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        skills.delete_category(current_account_id(), _category(before["name"], self.name), by=by)

    def may_drop(self, before: Item) -> bool:
        return not before["languages"]


class Skills(Section):
    name = "skills"

    def export(self, names: Names) -> list[Item]:
        teams: dict[int, list[int]] = defaultdict(list)
        found = TeamSkill.objects.filter(account_id=current_account_id()).values_list("skill_id", "team_id")
        for skill_id, team_id in found:
            teams[skill_id].append(team_id)
        return [
            {"category": category.name, "name": skill.name, "teams": _there(names, teams[skill.id])}
            for category in skills.categories(current_account_id()) for skill in category.skills
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return f"{item['category']}/{item['name']}"

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("category", "name", optional=("teams",))
        new = {
            "category": given["category"].text(at_most=skills.NAME),
            "name": given["name"].text(at_most=skills.NAME),
            "teams": [],
        }
        item: Item = dict(before.get(self.key(new)) or new)
        if "teams" in given:
            ids = [names.back(Thing.TEAM, one.text(at_most=320), one.path) for one in given["teams"].items()]
            item["teams"] = sorted({names.out(Thing.TEAM, pk) for pk in ids})
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        account_id = current_account_id()
        if before is None:
            category = _category(item["category"], f"{self.name}.category")
            skills.create(account_id, category, [item["name"]], by=by)
            names.forget()
        skill_id = names.back(Thing.SKILL, self.key(item), self.name)
        self._give(skill_id, before["teams"] if before else [], item["teams"], names, by)

    def _give(self, skill_id: int, before: list[str], after: list[str], names: Names, by: Actor) -> None:
        for name in {*before, *after}:
            team_id = names.back(Thing.TEAM, name, f"{self.name}.teams")
            others = skills.of_team(current_account_id(), team_id) - {skill_id}
            given = others | {skill_id} if name in after else others
            skills.set_of_team(current_account_id(), team_id, given, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        skill_id = names.back(Thing.SKILL, self.key(before), self.name)
        self._give(skill_id, before["teams"], [], names, by)
        skills.delete(current_account_id(), skill_id, by=by)


def _category(name: str, path: str) -> int:
    found = next((one.id for one in skills.categories(current_account_id()) if one.name == name), None)
    if found is None:
        raise Invalid(
            f"{path}: there is no category “{name}”.", field=path, value=name, hint="Name it in skill_categories."
        )  # fmt: skip
    return found


def _there(names: Names, ids: list[int]) -> list[str]:
    """A team that was deleted is named no more."""
    return sorted(
        name for name in (names.out(Thing.TEAM, one) for one in ids) if not name.startswith("gone: ")
    )
