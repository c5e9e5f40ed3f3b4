"""What people know, which routing asks for (R-SKILL-3, R-SKILL-8)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape
from deskhand.routing import skills

_LIST, _ONE = "/api/deskhand/routing/skills", "/api/deskhand/routing/skills/{skillId}"
_OF_USER = "/api/deskhand/users/{userId}/skills"


class SkillInput(Shape):
    name: str
    category_id: str


class SkillPatch(Shape):
    name: str


class SkillShown(Shape):
    id: str
    name: str
    category_id: str
    is_language: bool


class Category(Shape):
    id: str
    name: str
    is_language: bool
    skills: list[SkillShown]


class CategoryList(Shape):
    results: list[Category]


class SkillOfUser(Shape):
    """`is_main` tells main languages from second ones; of all else it is true."""

    skill_id: str
    is_main: bool = True


class SkillsOfUser(Shape):
    skills: Annotated[list[SkillOfUser], Field(max_length=skills.MOST)]


@operation("GET", _LIST, needs=asked.to_read, gives={200: CategoryList})
def listed(call: Call) -> Any:
    """All skills by category, languages first."""
    _require(call)
    return {
        "results": [
            {
                "id": str(category.id),
                "name": category.name,
                "isLanguage": category.is_language,
                "skills": [
                    _shown(one.id, one.name, category.id, category.is_language) for one in category.skills
                ],
            }
            for category in skills.categories(call.viewer.account_id)
        ]
    }


@operation("POST", _LIST, needs=asked.to_write, takes=SkillInput, gives={201: SkillShown})
def create(call: Call) -> Any:
    """Add a skill to a category."""
    _require(call)
    category = skills.find_category(call.viewer.account_id, asked.number("categoryId", call.body.category_id))
    [made] = skills.create(call.viewer.account_id, category.pk, [call.body.name], by=call.by)
    return _shown(made.pk, made.name, category.pk, category.is_language)


@operation("PATCH", _ONE, needs=asked.to_write, takes=SkillPatch, gives={200: SkillShown})
def update(call: Call) -> Any:
    """Rename a skill."""
    _require(call)
    made = skills.rename(call.viewer.account_id, asked.part(call, "skillId"), call.body.name, by=call.by)
    return _shown(made.pk, made.name, made.category_id, made.category.is_language)


@operation("DELETE", _ONE, needs=asked.to_write, gives={204: None})
def delete(call: Call) -> None:
    """Delete a skill that nobody has and no rule asks for."""
    _require(call)
    skills.delete(call.viewer.account_id, asked.part(call, "skillId"), by=call.by)


@operation("GET", _OF_USER, needs=asked.to_read, gives={200: SkillsOfUser})
def read_of_user(call: Call) -> Any:
    """What somebody knows themselves; what their team knows is not among it."""
    _require(call)
    own = skills.of_user(call.viewer.account_id, _user(call))
    return {"skills": [{"skillId": str(pk), "isMain": is_main} for pk, is_main in sorted(own.items())]}


@operation("PUT", _OF_USER, needs=asked.to_write, takes=SkillsOfUser, gives={200: SkillsOfUser})
def set_of_user(call: Call) -> Any:
    """Say all that somebody knows."""
    _require(call)
    given = {asked.number("skillId", one.skill_id): one.is_main for one in call.body.skills}
    skills.set_of_user(call.viewer.account_id, _user(call), given, by=call.by)
    return read_of_user(call)


def _require(call: Call) -> None:
    asked.require(call, Action.EDIT_SKILLS, Feature.SKILLS)


def _user(call: Call) -> int:
    user_id = asked.part(call, "userId")
    if people.find_member(call.viewer.account_id, user_id) is None:
        raise refusals.missing("There is no such user.", context={"userId": [str(user_id)]})
    return user_id


def _shown(pk: int, name: str, category_id: int, is_language: bool) -> dict[str, Any]:
    return {"id": str(pk), "name": name, "categoryId": str(category_id), "isLanguage": is_language}
