"""What an account is, and how much programs call it (api.md §2.9)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from deskhand.accounts import policy, queries, request_log
from deskhand.accounts.policy import Action
from deskhand.api.operations import Call, any_token, operation
from deskhand.api.shapes import Shape, moment
from deskhand.kernel import clock

#: What stands for "no limit" where the contract wants a number.
_NO_LIMIT = 2_147_483_647


class AccountDetails(Shape):
    portal_id: int
    account_type: Literal["STANDARD"]
    time_zone: str
    company_currency: str
    additional_currencies: list[str]
    utc_offset: str
    utc_offset_milliseconds: int
    ui_domain: str
    data_hosting_location: str


class Usage(Shape):
    name: str
    usage_limit: int
    current_usage: int
    collected_at: str
    fetch_status: Literal["SUCCESS"]
    resets_at: str


class Usages(Shape):
    results: list[Usage]


@operation("GET", "/account-info/details", needs=any_token, gives={200: AccountDetails})
def details(call: Call) -> dict[str, Any]:
    """Tell the account's number, its time zone, and the host of its pages."""
    zone = queries.account_zone(call.token.account_id)
    offset = clock.now().astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    return {
        "portalId": call.token.account_id, "accountType": "STANDARD", "timeZone": zone,
        "companyCurrency": "USD", "additionalCurrencies": [],  # amounts are numbers here, without a currency
        "utcOffset": _offset(offset), "utcOffsetMilliseconds": int(offset.total_seconds()) * 1000,
        "uiDomain": call.request.get_host(), "dataHostingLocation": "self-hosted",
    }  # fmt: skip


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@operation("GET", "/account-info/api-usage/daily/private-apps", needs=any_token, gives={200: Usages})
def usage(call: Call) -> dict[str, Any]:
    """Tell how many calls all tokens made since midnight (UTC), and how many they may make."""
    policy.require(call.viewer, Action.EDIT_TOKENS)
    now = clock.now()
    midnight = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    limit = queries.calls_a_day(call.token.account_id, now)
    return {
        "results": [
            {
                "name": "private-apps-api-calls-daily", "usageLimit": _NO_LIMIT if limit is None else limit,
                "currentUsage": request_log.number_since(call.token.account_id, midnight), "collectedAt": moment(now),
                "fetchStatus": "SUCCESS", "resetsAt": moment(midnight + timedelta(days=1)),
            }
        ]
    }  # fmt: skip
