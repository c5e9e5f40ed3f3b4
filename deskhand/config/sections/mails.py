"""Mails that automation sends."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import F

from deskhand.automation import templates
from deskhand.automation.models import MailTemplate
from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading


class Mails(Section):
    name = "mails"

    def export(self, names: Names) -> list[Item]:
        found = MailTemplate.objects.filter(account_id=current_account_id(), archived_at=None)
        return [
            {"id": row.key or row.name, "name": row.name, "subject": definitions.text_out(row.subject, names),
             "body": definitions.text_out(row.body, names), "is_transactional": row.is_transactional,
             "kind_of_mail": names.out(Thing.SUBSCRIPTION, row.subscription_type_id) if row.subscription_type_id else ""}
            for row in found.order_by("-key", "name", "pk")
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["id"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("id", optional=("name", "subject", "body", "is_transactional", "kind_of_mail"))
        key = given["id"].text(at_most=200)
        item: Item = dict(
            before.get(key)
            or {
                "id": key,
                "name": key,
                "subject": "",
                "body": "",
                "is_transactional": True,
                "kind_of_mail": "",
            }
        )
        for field in ("name", "subject", "body"):
            if field in given:
                item[field] = given[field].text()
        if "is_transactional" in given:
            item["is_transactional"] = given["is_transactional"].flag()
        if "kind_of_mail" in given:
            item["kind_of_mail"] = given["kind_of_mail"].text(at_most=200, may_be_empty=True)
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        row = _row(item["id"])
        if row is None:
            row = templates.create(current_account_id(), item["name"], by=by)
        elif row.archived_at is not None:
            templates.set_archived(row, False, by=by)
        if row.name != item["name"]:
            templates.rename(row, item["name"], by=by)
        asked = item["kind_of_mail"]
        kind = names.back(Thing.SUBSCRIPTION, asked, f"{self.name}.kind_of_mail") if asked else None
        subject, body = (
            definitions.text_back(item[part], names, f"{self.name}.{part}") for part in ("subject", "body")
        )
        told = (subject, body, item["is_transactional"], kind)
        if (row.subject, row.body, row.is_transactional, row.subscription_type_id) != told:
            templates.edit(
                row, subject=subject, body=body, is_transactional=item["is_transactional"], subscription_type_id=kind,
                by=by,
            )  # fmt: skip

    def may_drop(self, before: Item) -> bool:
        return before["id"] not in templates.BUILT_IN

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        row = _row(before["id"])
        if row is not None:
            templates.set_archived(row, True, by=by)


def _row(key: str) -> MailTemplate | None:
    """The one in use, else the one that was archived last."""
    of_account = MailTemplate.objects.filter(account_id=current_account_id())
    own = of_account.filter(key="", name=key).order_by(F("archived_at").desc(nulls_first=True))
    return of_account.filter(key=key).first() or own.first()
