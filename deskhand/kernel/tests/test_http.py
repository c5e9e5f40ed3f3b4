"""Outbound HTTP can't be turned against our own network: S18."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deskhand.kernel import hosts, http
from deskhand.kernel.errors import Ambiguous, Invalid, Misconfigured, Rejected, Unreachable


class Site:
    """A web server on this machine; `answer` says what each path gets."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.locations: dict[str, str] = {}

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextmanager
def site(certificate: Path | None = None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.asked.append((self.command, self.path, headers, self.rfile.read(length)))
            if self.path in here.locations:
                self.send_response(302)
                self.send_header("Location", here.locations[self.path])
                self.end_headers()
            elif self.path == "/slow":
                self._trickle()
            elif self.path == "/lost":
                self.connection.close()
            elif self.path == "/packed":
                self._answer(b"xx", {"Content-Encoding": "gzip"})
            else:
                self._answer(b"x" * int(self.path.partition("?")[2] or 2))

        do_POST = do_GET

        def _answer(self, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(200)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _trickle(self) -> None:
            """A byte now and then: no single wait is long."""
            try:
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                for _number in range(100):
                    self.wfile.write(b"X-A: b\r\n")
                    time.sleep(0.05)
            except OSError:
                pass

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    here = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate_for(name: str, folder: Path) -> Path:
    """A certificate that signs itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A name server: host → its answers, one after the other, the last for ever."""
    book: dict[str, list[list[str]]] = {}
    real = http.resolve

    async def resolve(host: str, port: int) -> list[str]:
        if host not in book:
            return await real(host, port)
        return book[host].pop(0) if len(book[host]) > 1 else book[host][0]

    monkeypatch.setattr(http, "resolve", resolve)
    return book


@pytest.fixture
def home_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
        "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1",
        "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2001::1",
        "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "100::1",
        "fd00:ec2::254",
    ],
)  # fmt: skip
def test_what_is_not_the_public_internet_is_known(address: str) -> None:
    assert not hosts.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
    ],
)  # fmt: skip
def test_the_public_internet_is_known_up_to_its_bounds(address: str) -> None:
    assert hosts.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "localhost.", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1",
        "017700000001", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "①②⑦.0.0.1",
        "169.254.169.254", "[fe80::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1",
    ],
)  # fmt: skip
def test_no_spelling_of_a_private_address_is_asked(host: str) -> None:
    with site() as here:
        with pytest.raises((Rejected, Unreachable, Invalid)):
            http.fetch("GET", f"http://{host}:{here.port}/", seconds=5)
        assert not here.asked


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1", "93.184.216.34"]])
def test_a_name_with_any_private_address_is_refused(names, answers: list[str]) -> None:
    names["evil.example"] = [answers]
    with pytest.raises(Rejected, match="not on the public Internet"):
        http.fetch("GET", "http://evil.example/")


def test_a_name_is_asked_for_its_address_once(names, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the second answer would be ours."""
    monkeypatch.setattr(hosts, "is_public", lambda address: str(address) == "127.0.0.1")
    monkeypatch.setattr(hosts, "_is_ours", lambda address: False)
    with site() as here:
        names["rebind.example"] = [["127.0.0.1"], ["10.0.0.1"]]
        answer = http.fetch("GET", here.url(host="rebind.example"))
    assert (answer.status, answer.body) == (200, b"xx")
    assert here.asked[0][2]["host"] == f"rebind.example:{here.port}"
    assert names["rebind.example"] == [["10.0.0.1"]]


@pytest.mark.usefixtures("home_is_allowed")
@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://0x0a000001/",
        "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://inside.example/",
    ],
)  # fmt: skip
def test_a_redirect_to_the_inside_is_refused(names, target: str) -> None:
    names["inside.example"] = [["192.168.0.1"]]
    with site() as here:
        here.locations["/go"] = target
        with pytest.raises((Rejected, Invalid)):
            http.fetch("GET", here.url("/go"), seconds=5)


@pytest.mark.usefixtures("home_is_allowed")
def test_redirects_are_followed_but_not_for_ever() -> None:
    with site() as here:
        here.locations = {"/a": "/b", "/b": "/c", "/loop": "/loop"}
        assert http.fetch("GET", here.url("/a")).url == here.url("/c")
        assert http.fetch("GET", here.url("/a"), redirects=0).status == 302
        with pytest.raises(Rejected, match="from one address to the next"):
            http.fetch("GET", here.url("/loop"))


@pytest.mark.usefixtures("home_is_allowed")
def test_an_answer_is_taken_up_to_its_limit() -> None:
    with site() as here:
        assert len(http.fetch("GET", here.url("/?1000"), at_most=1000).body) == 1000
        with pytest.raises(Rejected, match="more than 1000 bytes"):
            http.fetch("GET", here.url("/?1001"), at_most=1000)
        with pytest.raises(Rejected, match="packed"):
            http.fetch("GET", here.url("/packed"))


@pytest.mark.usefixtures("home_is_allowed")
def test_the_time_limit_counts_for_the_whole_of_it() -> None:
    with site() as here:
        with pytest.raises(Unreachable):
            http.fetch("GET", here.url("/slow"), seconds=0.3)
        with pytest.raises(Ambiguous):
            http.fetch("POST", here.url("/slow"), seconds=0.3)


@pytest.mark.usefixtures("home_is_allowed")
def test_a_lost_answer_is_unknown_unless_only_read() -> None:
    with site() as here:
        with pytest.raises(Unreachable):
            http.fetch("GET", here.url("/lost"))
        with pytest.raises(Ambiguous):
            http.fetch("POST", here.url("/lost"), body=b"{}")
    with pytest.raises(Unreachable):
        http.fetch("POST", here.url("/"), body=b"{}")


@pytest.mark.usefixtures("home_is_allowed")
def test_what_is_said_arrives() -> None:
    with site() as here:
        http.fetch("POST", here.url("/hook?3"), headers={"X-Signature": "abc"}, body=b'{"a":1}')
    ((method, path, headers, body),) = here.asked
    assert (method, path, body, headers["x-signature"]) == ("POST", "/hook?3", b'{"a":1}', "abc")
    assert headers["accept-encoding"] == "identity"


def test_it_works_inside_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.0/8")
    with site() as here:
        assert asyncio.run(http.fetch_async("GET", here.url())).ok


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://a.example/", "file:///etc/passwd", "javascript:alert(1)", "http://", "http://:80/",
     "http://user:secret@a.example/", "http://a.example:0/", "http://a.example:99999/", "http://a.example/\r\nX: y",
     "http://[::1/", "//a.example/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        http.fetch("GET", url)


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 11211])
def test_ports_that_are_not_the_webs_are_refused(names, port: int) -> None:
    names["public.example"] = [["93.184.216.34"]]
    with pytest.raises(Rejected, match="Port"):
        http.fetch("GET", f"http://public.example:{port}/", seconds=2)


@pytest.mark.parametrize("host", ["desk.example", "DESK.example", "desk.example."])
def test_this_installation_does_not_call_itself(names, settings, host: str) -> None:
    settings.SITE_URL = "https://desk.example"
    names[host] = names[host.lower()] = [["93.184.216.34"]]
    with pytest.raises(Rejected, match="itself"):
        http.fetch("GET", f"https://{host}/hook", seconds=2)


def test_this_machines_public_address_is_refused(names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "is_public", lambda address: True)
    names["me.example"] = [["127.0.0.1"]]  # stands for an address of this machine's network card
    with pytest.raises(Rejected, match="not on the public Internet"):
        http.fetch("GET", "http://me.example/")


def test_a_self_hoster_can_allow_hosts_inside(names, monkeypatch: pytest.MonkeyPatch) -> None:
    with site() as here:
        names["intranet.local"] = [["127.0.0.1"]]
        monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "Intranet.local, 10.1.0.0/16")
        assert http.fetch("GET", here.url(host="intranet.local")).ok
        with pytest.raises(Rejected):
            http.fetch("GET", here.url())
        with pytest.raises(Rejected):
            http.fetch("GET", "http://10.2.0.1/")


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "a b", "http://x", "10.0.0.1/8"])
def test_a_wrong_list_of_allowed_hosts_says_so(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", wrong)
    with pytest.raises(Misconfigured, match="ALLOW_PRIVATE_HOSTS"):
        hosts.allowed_private()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    with site() as here:
        assert http.fetch("GET", here.url()).ok


@pytest.mark.usefixtures("home_is_allowed")
def test_the_certificate_is_checked_for_the_name_that_was_asked(names, tmp_path, monkeypatch) -> None:
    certificate = certificate_for("hooks.example", tmp_path)
    with site(certificate) as here:
        names["hooks.example"] = names["other.example"] = [["127.0.0.1"]]
        with pytest.raises(Unreachable, match="certificate"):
            http.fetch("GET", here.url(host="hooks.example", scheme="https"))
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(http, "client_context", lambda: trusting)
        assert http.fetch("GET", here.url(host="hooks.example", scheme="https")).ok
        with pytest.raises(Unreachable, match="certificate"):
            http.fetch("GET", here.url(host="other.example", scheme="https"))
    assert len(here.asked) == 1


def test_an_error_names_the_host_but_not_the_path() -> None:
    with pytest.raises(Unreachable) as caught:
        http.fetch("GET", "http://no-such-name.invalid/secret-token", seconds=5)
    assert "no-such-name.invalid" in str(caught.value)
    assert "secret-token" not in str(caught.value)
