"""Web Push: what only the browser can read, and how its maker's service knows us (R-NOT-4; RFC 8291, RFC 8292)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deskhand.delivery import outbox, push
from deskhand.delivery.models import State
from deskhand.delivery.push import Browser, Message
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import ACCOUNT, entry
from deskhand.delivery.transports.push import PushTransport
from deskhand.testing.sites import calling_site

NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)

#: RFC 8291, Appendix A.
APPENDIX = {
    "words": b"When I grow up, I want to be a watermelon",
    "ours": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "their_key": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "their_secret": "BTBZMqHH6r4Tts7J_aSIgg",
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "sealed": "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
}


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Window:
    """A browser's side: it made the keys, and reads what was pushed as RFC 8291 says, on its own."""

    def __init__(self, endpoint: str) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.secret = b"sixteen bytes !!"
        self.point = self.private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.browser = Browser(endpoint, text(self.point), text(self.secret))

    def read(self, body: bytes) -> bytes:
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        point, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        shared = self.private.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        )
        seed = HKDF(SHA256(), 32, self.secret, b"WebPush: info\0" + self.point + point).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(seed)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(seed)
        plain = AESGCM(key).decrypt(nonce, sealed, None)
        assert plain.endswith(b"\x02")
        return plain[:-1]


def test_it_seals_as_the_standard_does():
    """R-NOT-4; RFC 8291, Appendix A"""
    browser = Browser("https://push.example/1", APPENDIX["their_key"], APPENDIX["their_secret"])

    sealed = push.sealed(APPENDIX["words"], browser, ours=APPENDIX["ours"], salt=raw(APPENDIX["salt"]))

    assert text(sealed) == APPENDIX["sealed"]


def test_twice_the_same_is_sealed_differently():
    window = Window("https://push.example/1")
    first, second = (push.sealed(b"Look", window.browser) for _n in range(2))

    assert first != second
    assert window.read(first) == window.read(second) == b"Look"


def test_push_services_know_us_by_our_key_and_each_call_is_for_one_of_them_alone():
    """RFC 8292"""
    private = push.new_key()
    headers = push.headers(
        Browser("https://push.example:8443/a/b", "", ""), private, "mailto:a@b.example", "tag", NOON
    )

    token, key = (part.partition("=")[2] for part in headers["authorization"].removeprefix("vapid ").split(", "))  # fmt: skip
    said, _dot, signature = token.rpartition(".")
    numbers = raw(signature)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(key))
    public.verify(
        encode_dss_signature(int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big")),
        said.encode(), ec.ECDSA(SHA256()),
    )  # fmt: skip
    claims = json.loads(raw(said.partition(".")[2]))
    assert claims == {"aud": "https://push.example:8443", "exp": int((NOON + push.LASTS).timestamp()), "sub": "mailto:a@b.example"}  # fmt: skip
    assert key == push.public_key(private)


@pytest.mark.parametrize(
    ("key", "secret"),
    [("", ""), ("!", APPENDIX["their_secret"]), (APPENDIX["their_key"], "short"), (APPENDIX["their_key"][:-4], APPENDIX["their_secret"]),
     ("B" + "A" * 86, APPENDIX["their_secret"])],
)  # fmt: skip
def test_keys_that_are_none_are_told_from_real_ones(key, secret):
    assert push.is_fit(Browser("https://push.example", APPENDIX["their_key"], APPENDIX["their_secret"]))
    assert not push.is_fit(Browser("https://push.example", key, secret))


# ── through the outbox ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with calling_site() as here:
        yield here


def put(browser: Browser, key: str = "notification:1:2") -> int:
    message = Message("Refund", "Ada mentioned you", "/inbox/all-open/7")
    send = push.new_send(browser, message, account_id=ACCOUNT, key=key, reference_type="b", reference_id=1)
    return outbox.enqueue([send])[0]


def sender() -> Sender:
    private = push.new_key()
    way = PushTransport(lambda: private, lambda: "https://desk.example")
    return Sender({push.TRANSPORT: way}, threads=0, jitter=lambda: 0.0)


@pytest.mark.django_db
def test_what_is_pushed_is_read_by_that_browser_alone(there):
    window = Window(f"{there.url}/send/very-secret")
    number = put(window.browser)
    assert "very-secret" not in str(entry(number).payload)

    sender().drain()

    [asked] = there.asked
    body = asked.body.encode("utf-8", "surrogateescape")
    assert json.loads(window.read(body)) == {
        "title": "Refund", "body": "Ada mentioned you", "path": "/inbox/all-open/7", "tag": asked.headers["topic"],
    }  # fmt: skip
    assert asked.path == "/send/very-secret"
    assert (asked.headers["content-encoding"], asked.headers["ttl"]) == ("aes128gcm", "43200")
    assert b"Refund" not in body
    assert entry(number).state == State.SENT


@pytest.mark.django_db
def test_the_same_key_is_one_push_and_a_second_try_replaces_the_first(there):
    """R-NOT-15"""
    there.says(503, 201)
    window = Window(there.url)
    assert put(window.browser) == put(window.browser)

    out = sender()
    out.drain()
    outbox.retry(ACCOUNT, put(window.browser))
    out.drain()

    first, second = there.asked
    assert first.headers["topic"] == second.headers["topic"]


@pytest.mark.django_db
def test_a_long_text_fits_one_record(there):
    window = Window(there.url)
    message = Message("Æ" * 5_000, "😀" * 5_000, "/inbox")
    outbox.enqueue([push.new_send(window.browser, message, account_id=ACCOUNT, key="k", reference_type="b", reference_id=1)])  # fmt: skip

    sender().drain()

    body = there.asked[0].body.encode("utf-8", "surrogateescape")
    assert len(body) <= 4096
    assert json.loads(window.read(body))["title"].startswith("Æ")
