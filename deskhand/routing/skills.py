"""Verbs on skills: what there is to know, sorted by category, and who knows it (R-SKILL-3 … R-SKILL-8).

Who may set them up is for the caller to ask: policy's `skills.edit`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from babel import Locale
from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from deskhand.accounts import audit
from deskhand.accounts.models import Membership, Team
from deskhand.events.types import Actor
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.locales import listed
from deskhand.kernel.text import one_line, storable
from deskhand.routing.models import Skill, SkillCategory, SkillRule, TeamSkill, UserSkill

NAME = 100  # characters
MOST = 1000  # skills of an account
AT_ONCE = 100  # new ones
LANGUAGES = gettext_noop("Languages")

_Row = TypeVar("_Row", bound=Model)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SkillRow:
    """`people` counts who has it themselves, `teams` the teams whose main members have it."""

    id: int
    name: str
    category_id: int
    is_language: bool
    people: int = 0
    teams: int = 0


@dataclass(frozen=True)
class CategoryRow:
    id: int
    name: str
    is_language: bool
    skills: tuple[SkillRow, ...]


@dataclass(frozen=True)
class Uses:
    """Who has a skill, and what asks for it; ids and names, by name."""

    people: tuple[tuple[int, str], ...]
    teams: tuple[tuple[int, str], ...]
    rules: tuple[SkillRule, ...]

    def __bool__(self) -> bool:
        return bool(self.people or self.teams or self.rules)


_SKILLS = """
select s.id, s.name, s.category_id, c.is_language,
    (select count(*) from routing_userskill us join accounts_membership m on m.account_id = us.account_id and m.user_id = us.user_id
     where us.account_id = s.account_id and us.skill_id = s.id),
    (select count(*) from routing_teamskill ts join accounts_team t on t.account_id = ts.account_id and t.id = ts.team_id
     where ts.account_id = s.account_id and ts.skill_id = s.id)
from routing_skill s join routing_skillcategory c on c.account_id = s.account_id and c.id = s.category_id
where s.account_id = %s order by lower(s.name), s.id
"""


def categories(account_id: int) -> list[CategoryRow]:
    """Languages first, then by name. Two queries, and some more the first time."""
    with account_scope(account_id):
        found = list(_categories(account_id).order_by("-is_language", "name", "id"))
        if not any(one.is_language for one in found):
            found.insert(0, ensure_languages(account_id))
        by_category: dict[int, list[SkillRow]] = defaultdict(list)
        for row in sql.rows(_SKILLS, [account_id]):
            by_category[row[2]].append(SkillRow(*row))
        return [CategoryRow(one.pk, one.name, one.is_language, tuple(by_category[one.pk])) for one in found]


def find(account_id: int, skill_id: int) -> Skill:
    """With its category. Raises NotFound."""
    found = Skill.objects.select_related("category").filter(account_id=account_id, pk=skill_id).first()
    if found is None:
        raise NotFound(_("There is no such skill."))
    return found


def find_category(account_id: int, category_id: int) -> SkillCategory:
    """Raises NotFound."""
    found = _categories(account_id).filter(pk=category_id).first()
    if found is None:
        raise NotFound(_("There is no such category of skills."))
    return found


def of_user(account_id: int, user_id: int) -> dict[int, bool]:
    """{skill: whether it is a main one}, of their own; what their team knows is not among them."""
    found = UserSkill.objects.filter(account_id=account_id, user_id=user_id)
    return dict(found.values_list("skill_id", "is_main"))


def of_team(account_id: int, team_id: int) -> frozenset[int]:
    found = TeamSkill.objects.filter(account_id=account_id, team_id=team_id)
    return frozenset(found.values_list("skill_id", flat=True))


def uses_of(account_id: int, skill_id: int) -> Uses:
    """Three queries (R-SKILL-5)."""
    people = Membership.objects.filter(
        account_id=account_id,
        user_id__in=UserSkill.objects.filter(account_id=account_id, skill_id=skill_id).values("user_id"),
    )
    teams = Team.objects.filter(
        account_id=account_id,
        pk__in=TeamSkill.objects.filter(account_id=account_id, skill_id=skill_id).values("team_id"),
    )
    return Uses(
        tuple(people.order_by("user__sort_key", "user__name", "user_id").values_list("user_id", "user__name")),
        tuple(teams.order_by("name", "id").values_list("pk", "name")),
        tuple(rules_asking(account_id, skill_id)),
    )  # fmt: skip


def rules_asking(account_id: int, skill_id: int) -> list[SkillRule]:
    """With their sets, in order."""
    found = SkillRule.objects.select_related("rule_set").filter(account_id=account_id)
    asking = found.filter(needed_ids__contains=[skill_id]) | found.filter(wished_ids__contains=[skill_id])
    return list(asking.order_by("rule_set__name", "place"))


# ── categories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ensure_languages(account_id: int) -> SkillCategory:
    """The category of languages, which each account has (R-SKILL-3). Safe to repeat, also for two at once."""
    with account_scope(account_id):
        sql.execute(
            "insert into routing_skillcategory (account_id, name, is_language) values (%s, %s, true) on conflict do nothing",
            [account_id, LANGUAGES],
        )
        found = _categories(account_id).filter(is_language=True).first()
        if found is None:  # the account's own category has the name already, and is what was meant
            found = _categories(account_id).get(name=LANGUAGES)
            found.is_language = True
            found.save(update_fields=["is_language"])
        return found


def create_category(account_id: int, name: str, *, by: Actor) -> SkillCategory:
    """Raises Invalid without a name, and for one that is there."""
    with account_scope(account_id):
        row = SkillCategory(account_id=account_id, name=checked_name(name))
        _require_free(_categories(account_id), row.name)
        row.save()
        _audit("skill_category.created", row, by, after={"name": row.name})
        return row


def rename_category(account_id: int, category_id: int, name: str, *, by: Actor) -> SkillCategory:
    """Raises NotFound, and Invalid as `create_category` does. Safe to repeat."""
    with account_scope(account_id):
        row, name = _locked(_categories(account_id), category_id), checked_name(name)
        if name != row.name:
            _require_free(_categories(account_id).exclude(pk=row.pk), name)
            before, row.name = row.name, name
            row.save(update_fields=["name"])
            _audit("skill_category.updated", row, by, before={"name": before}, after={"name": name})
        return row


def delete_category(account_id: int, category_id: int, *, by: Actor) -> None:
    """Raises Conflict for the languages, and while there are skills in it. Raises NotFound."""
    with account_scope(account_id):
        row = _locked(_categories(account_id), category_id)
        if row.is_language:
            raise Conflict(_("The category of languages is part of each account and stays."))
        if row.skills.exists():
            raise Conflict(_("There are skills in “%(name)s”. Delete them first.") % {"name": row.name})
        _audit("skill_category.deleted", row, by, before={"name": row.name})
        row.delete()


# ── skills ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(account_id: int, category_id: int, names: Iterable[str], *, by: Actor) -> list[Skill]:
    """Several at once (R-SKILL-4), in a fixed number of queries but for the audit log's entries; who is named twice is made
    once. Raises NotFound for the category, Invalid for what has no name, is there already, or is too much.
    """
    with account_scope(account_id):
        category = _locked(_categories(account_id), category_id)
        wanted = list({name.casefold(): name for name in map(checked_name, names)}.values())
        if not wanted:
            raise Invalid(
                _("Name at least one skill."), field="names", hint=_("One a line, or with commas between.")
            )
        if len(wanted) > AT_ONCE or Skill.objects.filter(account_id=account_id).count() + len(wanted) > MOST:
            raise Invalid(
                _("At most %(count)s skills can be added at once, and an account has %(most)s at most.")
                % {"count": AT_ONCE, "most": MOST},
                field="names",
                value=len(wanted),
            )
        rows = [
            Skill(
                account_id=account_id,
                category=category,
                name=name,
                code=_code(name) if category.is_language else "",
            )
            for name in wanted
        ]
        _require_new(category, rows)
        ids = sql.ids("routing_skill", len(rows))
        for row, pk in zip(rows, ids, strict=True):
            row.pk = pk
        Skill.objects.bulk_create(rows)
        for row in rows:
            _audit("skill.created", row, by, after=_facts(row))
        return rows  # fmt: skip


def rename(account_id: int, skill_id: int, name: str, *, by: Actor) -> Skill:
    """Raises NotFound, and Invalid for no name and for one that the category has. Safe to repeat."""
    with account_scope(account_id):
        row, name = _locked(Skill.objects.filter(account_id=account_id), skill_id), checked_name(name)
        if name != row.name:
            SkillCategory.objects.select_for_update().get(account_id=account_id, pk=row.category_id)
            before, row.name = _facts(row), name
            row.code = _code(name) if row.category.is_language else ""
            _require_new(row.category, [row])
            row.save(update_fields=["name", "code"])
            _audit("skill.updated", row, by, before=before, after=_facts(row))
        return row


def delete(account_id: int, skill_id: int, *, by: Actor) -> None:
    """Raises Conflict while somebody or a team has it (R-SKILL-6) or a rule asks for it (R-SKILL-7), and says who.

    Raises NotFound.
    """
    with account_scope(account_id):
        row = _locked(Skill.objects.filter(account_id=account_id), skill_id)
        if uses := uses_of(account_id, skill_id):
            raise Conflict(why_kept(row.name, uses))
        # Those who left the account, and teams that are gone, keep nothing.
        UserSkill.objects.filter(account_id=account_id, skill=row).delete()
        TeamSkill.objects.filter(account_id=account_id, skill=row).delete()
        _audit("skill.deleted", row, by, before=_facts(row))
        row.delete()


def why_kept(name: str, uses: Uses) -> str:
    """Why a skill can't be deleted, in words; empty where it can."""
    who = [*(person for _id, person in uses.people), *(team for _id, team in uses.teams)]
    if who:
        text = ngettext(
            "%(who)s has “%(skill)s”. Take it from them first.",
            "%(who)s have “%(skill)s”. Take it from them first.",
            len(who),
        )
        return text % {"who": listed(who), "skill": name}
    if uses.rules:
        asking = listed([rule.name for rule in uses.rules])
        return _("Rules ask for “%(skill)s”: %(rules)s. Change them first.") % {
            "skill": name,
            "rules": asking,
        }
    return ""


# ── who has them ─────────────────────────────────────────────────────────────────────────────────────────────────────


def set_of_user(account_id: int, user_id: int, given: Mapping[int, bool], *, by: Actor) -> None:
    """All that somebody knows: {skill: whether it is a main one}, which only languages tell apart (R-SKILL-8).

    The number of queries is fixed. Safe to repeat. Raises NotFound for who does not work here, Invalid for a skill that is
    not there.
    """
    with account_scope(account_id):
        if not Membership.objects.filter(account_id=account_id, user_id=user_id).exists():
            raise NotFound(_("There is no such user."))
        there = _present(account_id, given)
        wanted = {pk: is_main or not there[pk].category.is_language for pk, is_main in given.items()}
        before = of_user(account_id, user_id)
        if before == wanted:
            return
        mine = UserSkill.objects.filter(account_id=account_id, user_id=user_id)
        mine.filter(skill_id__in=before.keys() - wanted.keys()).delete()
        UserSkill.objects.bulk_create(
            [UserSkill(account_id=account_id, user_id=user_id, skill_id=pk, is_main=is_main) for pk, is_main in wanted.items()],
            update_conflicts=True, unique_fields=["account_id", "skill", "user_id"], update_fields=["is_main"],
        )  # fmt: skip
        names = _names(account_id, {*before, *wanted})
        audit.record(
            "user.skills_changed", by=by, target_type="user", target_id=user_id,
            before=_told(before, names), after=_told(wanted, names),
        )  # fmt: skip


def set_of_team(account_id: int, team_id: int, skill_ids: Collection[int], *, by: Actor) -> None:
    """All that the main members of a team know (R-SKILL-8). Safe to repeat; raises as `set_of_user` does."""
    with account_scope(account_id):
        if not Team.objects.filter(account_id=account_id, pk=team_id).exists():
            raise NotFound(_("There is no such team."))
        wanted, before = frozenset(skill_ids), of_team(account_id, team_id)
        _present(account_id, wanted)
        if before == wanted:
            return
        TeamSkill.objects.filter(
            account_id=account_id, team_id=team_id, skill_id__in=before - wanted
        ).delete()
        TeamSkill.objects.bulk_create(
            [
                TeamSkill(account_id=account_id, team_id=team_id, skill_id=pk)
                for pk in sorted(wanted - before)
            ],
            ignore_conflicts=True,
        )
        names = _names(account_id, {*before, *wanted})
        audit.record(
            "team.skills_changed", by=by, target_type="team", target_id=team_id,
            before=_told(dict.fromkeys(before, True), names), after=_told(dict.fromkeys(wanted, True), names),
        )  # fmt: skip


def _present(account_id: int, skill_ids: Iterable[int]) -> dict[int, Skill]:
    """Held, so that none is deleted meanwhile. Raises Invalid for one that is not there."""
    wanted = set(skill_ids)
    found = hold(account_id, wanted)
    if missing := sorted(wanted - found.keys()):
        raise Invalid(_("There is no such skill."), field="skills", value=missing[0])
    return found


def hold(account_id: int, skill_ids: Collection[int]) -> dict[int, Skill]:
    """Those of them that are there, by id, with their categories; none is deleted before the transaction ends."""
    found = Skill.objects.filter(account_id=account_id, pk__in=skill_ids).select_related("category")
    return {one.pk: one for one in found.select_for_update(of=("self",), no_key=True).order_by("pk")}


def _names(account_id: int, skill_ids: Collection[int]) -> dict[int, str]:
    return dict(Skill.objects.filter(account_id=account_id, pk__in=skill_ids).values_list("pk", "name"))


def _told(given: Mapping[int, bool], names: Mapping[int, str]) -> dict[str, Any]:
    """For the audit log, which is read when skills are called otherwise."""
    main = sorted(names[pk] for pk, is_main in given.items() if is_main)
    second = sorted(names[pk] for pk, is_main in given.items() if not is_main)
    return {"skills": main, **({"second_languages": second} if second else {})}


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def checked_name(name: str) -> str:
    """Raises Invalid for none, and for one that is too long."""
    found = one_line(storable(name)).strip()
    if not 0 < len(found) <= NAME:
        raise Invalid(_("Give it a name of at most %(count)s characters.") % {"count": NAME}, field="name", value=name[:40])  # fmt: skip
    return found


def _require_free(among: QuerySet[SkillCategory], name: str) -> None:
    if among.filter(name__iexact=name).exists():
        raise Invalid(
            _("There is a category called “%(name)s” already.") % {"name": name}, field="name", value=name,
            hint=_("Choose another name."),
        )  # fmt: skip


def _require_new(category: SkillCategory, rows: Sequence[Skill]) -> None:
    """The category's row is held, so nobody adds the same meanwhile. A language is the same under each of its names."""
    others = category.skills.exclude(pk__in=[row.pk for row in rows if row.pk])
    there = list(others.values_list("name", "code"))
    names = {name.casefold(): name for name, _code in there}
    codes = {code: name for name, code in there if code}
    for row in rows:
        same = names.get(row.name.casefold()) or (codes.get(row.code) if row.code else None)
        if same is not None:
            raise Invalid(
                _("There is “%(name)s” already.") % {"name": same}, field="names", value=row.name,
                hint=_("Leave it out, or choose another name."),
            )  # fmt: skip
        if row.code:
            codes[row.code] = row.name


def _code(name: str) -> str:
    return _language_codes().get(name.casefold(), "")


@lru_cache(maxsize=1)
def _language_codes() -> dict[str, str]:
    """{what a language is called in one of our languages: its code}."""
    found: dict[str, str] = {}
    for ours, _label in settings.LANGUAGES:
        for code, name in Locale.parse(ours, sep="-").languages.items():
            found.setdefault(name.casefold(), code)
    return found


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _categories(account_id: int) -> QuerySet[SkillCategory]:
    return SkillCategory.objects.filter(account_id=account_id)


def _locked(among: QuerySet[_Row], pk: int) -> _Row:
    found = among.filter(pk=pk).select_for_update().first()
    if found is None:
        raise NotFound(_("There is no such skill."))
    return found


def _facts(row: Skill) -> dict[str, Any]:
    return {"name": row.name, "category": row.category.name}


def _audit(
    action: str,
    row: Model,
    by: Actor,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    kind = action.partition(".")[0]
    audit.record(action, by=by, target_type=kind, target_id=row.pk, before=before, after=after)
