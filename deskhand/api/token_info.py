"""What a token is and may do, for programs that ask before they begin (api.md §1.3)."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from deskhand.accounts import queries, tokens
from deskhand.accounts.tokens import TokenUse
from deskhand.api import refusals
from deskhand.api.operations import Call, OpenCall, any_token, operation
from deskhand.api.shapes import Shape
from deskhand.kernel import clock

#: What stands for "never" where the contract wants seconds.
_FOR_EVER = 2_147_483_647


class AccessTokenInfo(Shape):
    """The contract writes these names in its older manner."""

    token: str
    user: str
    user_id: int
    hub_domain: str
    hub_id: int
    app_id: int
    scopes: list[str]
    expires_in: int
    token_type: str

    model_config = ConfigDict(alias_generator=None)


class TokenKey(Shape):
    token_key: str


class PrivateAppInfo(Shape):
    user_id: int
    hub_id: int
    app_id: int
    scopes: list[str]


@operation("GET", "/oauth/access-tokens/{token}", needs=None, gives={200: AccessTokenInfo})
def access_token(call: OpenCall) -> dict[str, Any]:
    """Tell whose an access token is, what it may do, and for how many seconds. Who has the token needs no other."""
    secret = call.parts["token"]
    found = _known(tokens.look_up(secret))
    user_id = _user_id(found)
    member = queries.find_member(found.account_id, user_id)
    left = found.expires_at - clock.now() if found.expires_at else None
    return {
        "token": secret, "user": member.email if member else "", "user_id": user_id, "hub_domain": call.request.get_host(),
        "hub_id": found.account_id, "app_id": found.token_id, "scopes": sorted(found.scopes),
        "expires_in": _FOR_EVER if left is None else max(0, int(left.total_seconds())), "token_type": "access",
    }  # fmt: skip


@operation(
    "POST",
    "/oauth/private-apps/get/access-token-info",
    needs=any_token,
    takes=TokenKey,
    gives={200: PrivateAppInfo},
)
def private_app(call: Call) -> dict[str, Any]:
    """Tell whose a token of this account is, and what it may do."""
    found = _known(tokens.look_up(call.body.token_key))
    if found.account_id != call.token.account_id:
        raise _unknown()
    return {
        "userId": _user_id(found), "hubId": found.account_id, "appId": found.token_id, "scopes": sorted(found.scopes),
    }  # fmt: skip


def _known(found: TokenUse | None) -> TokenUse:
    if found is None:
        raise _unknown()
    return found


def _unknown() -> refusals.Refusal:
    return refusals.missing("There is no such token, or it is over.")


def _user_id(token: TokenUse) -> int:
    """Whose it is; of the account's own whoever made it. 0: nobody is known."""
    return token.user_id or token.created_by or 0
