"""`deskhand web`: one web process. Start as many as you like, on any machine that reaches the database."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING

from deskhand.cli import ports
from deskhand.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("web", help="run one web process")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=ports.number, default=ports.WEB, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    import uvicorn
    from django.conf import settings

    # WhiteNoise hands out files from a thread, which is what we want of it; gone when it speaks ASGI.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    try:
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # may stay empty: the package has the files
    except OSError as failure:
        raise Misconfigured(
            "STATIC_ROOT", str(settings.STATIC_ROOT), "a directory that can be written"
        ) from failure
    ports.require_free(args.host, args.port, "--port")
    uvicorn.run(
        "deskhand.asgi:application",
        host=args.host,
        port=args.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=3,  # open event streams end with the process
        server_header=False,
    )
    return 0
