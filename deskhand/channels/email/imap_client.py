"""An IMAP client that goes only where the servers that people name may be (S18)."""

from __future__ import annotations

import imaplib
import socket
import ssl

import imapclient
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

from deskhand.kernel import hosts


class IMAPClient(imapclient.IMAPClient):  # type: ignore[misc]  # untyped library
    """Connects to the address that was checked; the certificate is still for the name. Raises Rejected."""

    def _create_IMAP4(self) -> imaplib.IMAP4:
        address = hosts.mail_server(self.host, self.port)
        seconds = self._timeout.connect
        if self.ssl:
            return _Secured(address, self.host, self.port, self.ssl_context, seconds)
        return _Plain(address, self.host, self.port, seconds)


class _Plain(IMAP4WithTimeout):  # type: ignore[misc]
    def __init__(self, address: str, host: str, port: int, seconds: float | None) -> None:
        self._address = address
        super().__init__(host, port, seconds)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return socket.create_connection((self._address, self.port), timeout or self._timeout)


class _Secured(IMAP4_TLS):  # type: ignore[misc]
    def __init__(
        self, address: str, host: str, port: int, context: ssl.SSLContext, seconds: float | None
    ) -> None:
        self._address = address
        super().__init__(host, port, context, seconds)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        line = socket.create_connection((self._address, self.port), timeout or self._timeout)
        secured: ssl.SSLSocket = self.ssl_context.wrap_socket(line, server_hostname=self.host)
        return secured
