"""A web server on this machine that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    url: str
    asked: list[Asked] = field(default_factory=list)
    #: What the next calls get: status, headers and body; the last one stays.
    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=lambda: [(200, {}, "{}")])

    def says(self, *answers: int | tuple[int, dict[str, str], str]) -> None:
        self.answers[:] = [(one, {}, "{}") if isinstance(one, int) else one for one in answers]


@contextmanager
def calling_site(host: str = "127.0.0.1", port: int = 0) -> Iterator[Site]:
    """Needs ALLOW_PRIVATE_HOSTS to name the host. Port 0 is a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.asked.append(
                Asked(
                    self.command,
                    self.path,
                    headers,
                    self.rfile.read(length).decode("utf-8", "surrogateescape"),
                )
            )
            status, more, body = here.answers.pop(0) if len(here.answers) > 1 else here.answers[0]
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    here = Site(f"http://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
