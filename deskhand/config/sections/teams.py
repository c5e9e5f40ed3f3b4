"""Teams, how they are nested, and who is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deskhand.accounts import teams
from deskhand.accounts.models import Team, TeamMember
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading


class Teams(Section):
    name = "teams"

    def export(self, names: Names) -> list[Item]:
        account = {"account_id": current_account_id()}
        found = list(Team.objects.filter(**account).order_by("name", "pk"))
        by_id = {team.pk: team.name for team in found}
        people: dict[tuple[int, bool], list[str]] = {}
        rows = TeamMember.objects.filter(**account).values_list("team_id", "is_main", "user__email")
        for team_id, is_main, email in rows:
            people.setdefault((team_id, is_main), []).append(email)
        return [
            {
                "name": team.name, "under": by_id.get(team.parent_id or 0, ""),
                "main_members": sorted(people.get((team.pk, True), [])), "extra_members": sorted(people.get((team.pk, False), [])),
            }
            for team in found
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=("under", "main_members", "extra_members"))
        name = given["name"].text(at_most=100)
        item: Item = dict(
            before.get(name) or {"name": name, "under": "", "main_members": [], "extra_members": []}
        )
        if "under" in given:
            item["under"] = given["under"].text(at_most=100, may_be_empty=True)
        for field in ("main_members", "extra_members"):
            if field in given:
                people = given[field].items()
                ids = [names.back(Thing.USER, one.text(at_most=320), one.path) for one in people]
                item[field] = sorted(names.out(Thing.USER, pk) for pk in ids)
        return item

    def prepare(self, items: Sequence[Item], before: Mapping[str, Item], names: Names, by: Actor) -> None:
        for item in items:
            if item["name"] not in before:
                teams.create(current_account_id(), item["name"], by=by)
        names.forget()

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        account_id, team_id = current_account_id(), names.back(Thing.TEAM, item["name"], self.name)
        parent = names.back(Thing.TEAM, item["under"], f"{self.name}.under") if item["under"] else None
        teams.move(account_id, team_id, parent_id=parent, by=by)
        for field, is_main in (("main_members", True), ("extra_members", False)):
            was = set((before or {}).get(field, ()))
            for email in item[field]:
                if email not in was:
                    user_id = names.back(Thing.USER, email, f"{self.name}.{field}")
                    teams.add_member(account_id, team_id, user_id, is_main=is_main, by=by)
        gone = {*(before or {}).get("main_members", ()), *(before or {}).get("extra_members", ())}
        for email in sorted(gone - {*item["main_members"], *item["extra_members"]}):
            teams.remove_member(account_id, team_id, names.back(Thing.USER, email, self.name), by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        teams.delete(current_account_id(), names.back(Thing.TEAM, before["name"], self.name), by=by)
