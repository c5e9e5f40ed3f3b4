"""Signatures against the vectors that the contract documents (api.md §2.8)."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from deskhand.webhooks import signing

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation",'
    b'"attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
)
URL = "https://www.example.com/webhook_uri"


def test_the_first_version_is_the_documented_one():
    """api.md §2.8."""
    assert signing.v1(SECRET, BODY) == "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"


def test_the_second_version_is_the_documented_one():
    """api.md §2.8, without a body and with one."""
    posted = b'{"example_field":"example_value"}'

    assert (
        signing.v2(SECRET, "GET", URL, b"")
        == "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"
    )
    assert (
        signing.v2(SECRET, "POST", URL, posted)
        == "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
    )


def test_the_third_version_covers_method_address_body_and_time():
    """api.md §2.8, S25: whatever is another of them makes another signature."""
    made = {
        signing.v3(*parts)
        for parts in [
            (SECRET, "POST", URL, BODY, 1), (SECRET, "GET", URL, BODY, 1), (SECRET, "POST", f"{URL}/", BODY, 1),
            (SECRET, "POST", URL, BODY + b" ", 1), (SECRET, "POST", URL, BODY, 2), (SECRET + "y", "POST", URL, BODY, 1),
        ]
    }  # fmt: skip
    by_hand = hmac.new(SECRET.encode(), b"POST" + URL.encode() + BODY + b"1", hashlib.sha256).digest()

    assert len(made) == 6
    assert signing.v3(SECRET, "POST", URL, BODY, 1) == base64.b64encode(by_hand).decode()


def test_headers_say_when_they_were_signed():
    """api.md §2.8: milliseconds, and the same in the signature."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    headers = signing.headers(SECRET, "POST", URL, BODY, at)

    assert headers["x-hubspot-request-timestamp"] == "1767225600000"
    assert headers["x-hubspot-signature-v3"] == signing.v3(SECRET, "POST", URL, BODY, 1767225600000)
    assert (headers["x-hubspot-signature"], headers["x-hubspot-signature-version"]) == (
        signing.v1(SECRET, BODY),
        "v1",
    )
