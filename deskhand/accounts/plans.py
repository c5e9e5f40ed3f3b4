"""Which features an account has: its plan's preset, then its own switches on top (R-TIER-1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.models import Account, Plan
from deskhand.kernel.errors import Invalid


class Feature(StrEnum):
    TICKETS_FROM_CHANNELS = "tickets_from_channels"
    CLOSE_DATE = "close_date"
    WORKING_HOURS = "working_hours"
    RANDOM_SPLIT = "random_split"
    STATUS_FROM_EMAILS = "status_from_emails"
    LANE_EMAILS = "lane_emails"  # the ready-made e-mail and the internal notification
    EXTRA_TICKET_PIPELINES = "extra_ticket_pipelines"
    ASSIGNED_TEAMS = "assigned_teams"
    LANE_ACTIONS = "lane_actions"  # all other actions, and the full editor
    PIPELINE_RULES = "pipeline_rules"
    HELP_DESK = "help_desk"
    ROUTING = "routing"
    SLA = "sla"
    SUMMARY = "summary"
    ROUND_ROBIN = "round_robin"
    CAPACITY = "capacity"
    OUT_OF_OFFICE = "out_of_office"
    PORTAL = "portal"
    WHATSAPP = "whatsapp"
    CUSTOMER_AGENT = "customer_agent"
    CUSTOM_OBJECT_AUTOMATION = "custom_object_automation"
    SLA_BY_PROPERTIES = "sla_by_properties"
    SKILLS = "skills"
    SPACES = "spaces"
    AI_CATEGORY = "ai_category"
    DEFAULT_NOTIFICATIONS = "default_notifications"
    LANE_CUSTOM_EMAILS = "lane_custom_emails"  # other products' plans there, from here down
    OWN_TRANSACTIONAL_EMAILS = "own_transactional_emails"  # own mails that reach every contact (R-MAIL-6)
    WEBHOOKS = "webhooks"
    CUSTOM_CODE = "custom_code"
    FORMAT_DATA = "format_data"
    RAW_ADDRESSES = "raw_addresses"  # internal mail to any address (R-WFA-5)


#: In no plan, since they open a door: only who sets up the account switches them on (R-WFA-5, R-WFA-12).
OPT_IN = frozenset({Feature.CUSTOM_CODE, Feature.RAW_ADDRESSES})


_FREE = {
    Feature.TICKETS_FROM_CHANNELS,
    Feature.CLOSE_DATE,
    Feature.WORKING_HOURS,
    Feature.RANDOM_SPLIT,  # only larger plans of other products have it (R-BR-5)
}
_STARTER = _FREE | {
    Feature.STATUS_FROM_EMAILS,
    Feature.LANE_EMAILS,
    Feature.EXTRA_TICKET_PIPELINES,
    Feature.ASSIGNED_TEAMS,
}
_PROFESSIONAL = _STARTER | {
    Feature.LANE_ACTIONS,
    Feature.PIPELINE_RULES,
    Feature.HELP_DESK,
    Feature.ROUTING,
    Feature.SLA,
    Feature.SUMMARY,
    Feature.ROUND_ROBIN,
    Feature.CAPACITY,
    Feature.OUT_OF_OFFICE,
    Feature.PORTAL,
    Feature.WHATSAPP,
    Feature.CUSTOMER_AGENT,
}
_ENTERPRISE = _PROFESSIONAL | {
    Feature.CUSTOM_OBJECT_AUTOMATION,
    Feature.SLA_BY_PROPERTIES,
    Feature.SKILLS,
    Feature.SPACES,
    Feature.AI_CATEGORY,
    Feature.DEFAULT_NOTIFICATIONS,
}

PRESETS: Mapping[str, frozenset[Feature]] = {
    Plan.FREE: frozenset(_FREE),
    Plan.STARTER: frozenset(_STARTER),
    Plan.PROFESSIONAL: frozenset(_PROFESSIONAL),
    Plan.ENTERPRISE: frozenset(_ENTERPRISE),
    Plan.EVERYTHING: frozenset(Feature) - OPT_IN,
}


def features(plan: str, switches: Mapping[str, Any]) -> frozenset[Feature]:
    """Return what a plan has, with single features switched on or off."""
    on = {feature for feature in Feature if switches.get(feature) is True}
    off = {feature for feature in Feature if switches.get(feature) is False}
    return (PRESETS[plan] | on) - off


def has_feature(account: Account, feature: str) -> bool:
    """Raises ValueError for a feature that does not exist."""
    return Feature(feature) in features(account.plan, account.features)


def features_of(account_id: int) -> frozenset[Feature]:
    """The same for a caller who has only the id; one query."""
    plan, switches = Account.objects.values_list("plan", "features").get(pk=account_id)
    return features(plan, switches)


def has_in_sql(feature: Feature, account: str) -> str:
    """The same as a condition of a query; `account` is the account's id there."""
    with_it = ",".join(plan for plan in Plan.values if feature in PRESETS[plan])
    return (
        f"exists (select from accounts_account p where p.id = {account} and case p.features->'{feature}'"
        f" when 'true' then true when 'false' then false else p.plan = any('{{{with_it}}}') end)"
    )


def check_switches(switches: Mapping[str, Any]) -> None:
    """Raise Invalid for a switch that names no feature or is neither on nor off."""
    for name, value in switches.items():
        if name not in set(Feature) or not isinstance(value, bool):
            raise Invalid(
                _("%(name)r: %(value)r is no switch of a feature.") % {"name": name, "value": value},
                field="features",
                value=name,
                hint=", ".join(Feature),
            )
