"""When an identity provider's word about an address is enough to let somebody in as the user who has it. Pure."""

from __future__ import annotations

from collections.abc import Collection


def is_vouched_for(email: str, verified: object, domains: Collection[str]) -> bool:
    """Only an address that the provider says it has verified, of a domain the installation named (S12).

    `verified` is the provider's claim as it came: anything but true, the text "true" included, is no.
    """
    domain = email.rpartition("@")[2].lower()
    return verified is True and bool(domain) and domain in {one.lower() for one in domains}
