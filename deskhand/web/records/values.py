"""Values of these records in words."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.web import labels
from deskhand.web.contacts import values
from deskhand.web.inbox.rows import Label

AMOUNT, CURRENCY, PRIORITY = "amount", "deal_currency_code", "hs_priority"


def automate_url(pipeline: PipelineValue) -> str:
    return reverse("automate", args=[pipeline.id])


def is_money(object_type: str, name: str) -> bool:
    """Whether this is the amount of a deal, told with its currency; a property of one's own may be called so, too."""
    return name == AMOUNT and CURRENCY in properties_of(object_type)


def money(amount: str | None, currency: str | None) -> str:
    """An amount as people read it; nothing where there is none."""
    if not amount:
        return ""
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return amount
    text = str(number_format(number.normalize() if number != number.to_integral() else number.quantize(Decimal(1)), force_grouping=True))  # fmt: skip
    return f"{text} {currency}" if currency else text


def priority(value: Any) -> Label | None:
    """The mark of a priority; None for a word that no mark has."""
    return labels.priority(value.upper()) if isinstance(value, str) else None


def is_editable(prop: Property) -> bool:
    return not prop.is_place and values.is_editable(prop) and not (prop.kind is Kind.ENUM and not prop.options)  # fmt: skip


def spoken(object_type: str, prop: Property, value: Any, names: values.Names) -> str:
    if prop.is_place and value:
        for pipeline in pipelines_of(object_type).pipelines:
            if prop.column == "pipeline_id" and pipeline.id == value:
                return _(pipeline.label)
            stage = pipeline.stage(value if isinstance(value, int) else None)
            if prop.column == "stage_id" and stage is not None:
                return _(stage.label)
        return _("a status that was deleted")
    return values.spoken(prop, value, names)
