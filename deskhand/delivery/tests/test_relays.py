"""Speaking to a mail server: addresses, encryption, log-in (O2)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deskhand.delivery.relays import SINK, Relay, default_relay, from_url
from deskhand.delivery.tests.peers import Peer, smtp_peer
from deskhand.delivery.transports import smtp
from deskhand.delivery.types import Answer, Verdict
from deskhand.kernel.errors import Misconfigured

MESSAGE = b"Subject: Hello\r\n\r\nHello\r\n"


def hand_over(relay: Relay) -> Answer:
    relays = smtp.Relays()
    try:
        return relays.send(relay, "a@desk.example", ["bo@customer.example"], MESSAGE)
    finally:
        relays.close_idle(0.0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that signs itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    path = tmp_path / "localhost.pem"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(smtp, "client_context", lambda *, verify: context)


@pytest.mark.usefixtures("trusted")
def test_encryption_is_used_where_it_is_required(server_tls: ssl.SSLContext) -> None:
    with smtp_peer(tls_context=server_tls, require_starttls=True) as peer:
        assert hand_over(peer.relay(host="localhost", starttls="required")).verdict is Verdict.ACCEPTED
        assert hand_over(peer.relay(host="localhost", starttls="offered")).verdict is Verdict.ACCEPTED


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(server_tls: ssl.SSLContext) -> None:
    with smtp_peer(tls_context=server_tls) as peer:
        answer = hand_over(peer.relay(host="localhost", starttls="required"))
        assert answer.verdict is Verdict.LATER
        assert "certificate" in answer.text.lower()
        assert (
            hand_over(peer.relay(host="localhost", starttls="required", verify=False)).verdict
            is Verdict.ACCEPTED
        )
    assert len(peer.taken) == 1


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_not_trusted(server_tls: ssl.SSLContext) -> None:
    with smtp_peer(tls_context=server_tls) as peer:
        answer = hand_over(peer.relay(host="127.0.0.1", starttls="required"))
    assert answer.verdict is Verdict.LATER
    assert not peer.taken


def test_without_the_encryption_that_is_required_nothing_is_said() -> None:
    with smtp_peer() as peer:
        answer = hand_over(peer.relay(starttls="required", user="desk", password="secret"))
        assert hand_over(peer.relay(starttls="offered")).verdict is Verdict.ACCEPTED
    assert answer.verdict is Verdict.LATER
    assert "no encryption" in answer.text
    assert "secret" not in answer.text


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")  # the peer's, about itself
@pytest.mark.parametrize(("password", "verdict"), [("right", Verdict.ACCEPTED), ("wrong", Verdict.LATER)])
def test_the_log_in_is_used_and_a_wrong_one_costs_no_mail(password: str, verdict: Verdict) -> None:
    def check(server, session, envelope, mechanism, data) -> AuthResult:
        return AuthResult(success=data.login == b"desk" and data.password == b"right", handled=False)

    with smtp_peer(authenticator=check, auth_required=True, auth_require_tls=False) as peer:
        answer = hand_over(peer.relay(user="desk", password=password))
    assert answer.verdict is verdict
    assert len(peer.taken) == (verdict is Verdict.ACCEPTED)
    assert "wrong" not in answer.text


def test_a_server_busy_with_others_is_no_refusal() -> None:
    with smtp_peer() as peer:
        peer.say_at_mail = ["421 4.7.0 too many connections", "421 4.7.0 too many connections"]
        answer = hand_over(peer.relay())
    assert (answer.verdict, answer.text) == (Verdict.LATER, "421 4.7.0 too many connections")


def test_a_connection_that_rests_too_long_is_closed() -> None:
    relays = smtp.Relays()
    with smtp_peer() as peer:
        for _mail in range(2):
            relays.send(peer.relay(), "a@desk.example", ["bo@customer.example"], MESSAGE)
        assert peer.connections == 1
        relays.close_idle(0.0)
        relays.send(peer.relay(), "a@desk.example", ["bo@customer.example"], MESSAGE)
        assert peer.connections == 2
        relays.close_idle(0.0)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("", None),
        ("sink:", SINK),
        ("smtp://mail.example", Relay(host="mail.example", port=587, starttls="required")),
        ("smtp://127.0.0.1:2525", Relay(host="127.0.0.1", port=2525, starttls="never")),
        ("smtp://localhost:25?starttls=offered", Relay(host="localhost", port=25, starttls="offered")),
        ("smtps://mail.example", Relay(host="mail.example", port=465, tls=True)),
        (
            "smtp://a%40b.example:p%3Aw@mail.example?verify=no&seconds=5",
            Relay(host="mail.example", user="a@b.example", password="p:w", verify=False, seconds=5.0),
        ),
    ],
)
def test_a_server_is_named_by_an_address(url: str, relay: Relay | None, settings) -> None:
    settings.SMTP_URL = url
    assert default_relay() == relay


@pytest.mark.parametrize(
    "url",
    ["mail.example", "http://mail.example", "smtp://", "smtp://mail.example:no", "smtp://mail.example/x",
     "smtp://mail.example?starttls=maybe", "smtp://mail.example?verify=perhaps", "smtp://mail.example?colour=red",
     "smtp://mail.example?seconds=0"],
)  # fmt: skip
def test_a_wrong_address_says_what_is_allowed_and_no_password(url: str) -> None:
    with pytest.raises(Misconfigured, match="SMTP_URL") as caught:
        from_url(url.replace("://", "://desk:hunter2@") if "://m" in url else url)
    assert "hunter2" not in str(caught.value)


def test_a_relay_shows_no_password() -> None:
    with smtp_peer() as peer:
        assert "hunter2" not in repr(peer.relay(password="hunter2"))
    assert isinstance(peer, Peer)
