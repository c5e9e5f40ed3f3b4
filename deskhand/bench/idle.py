"""What the whole product takes while nothing happens: `deskhand serve` with the demo, after it has read a mail."""

from __future__ import annotations

import smtplib
import tempfile
import time
import urllib.request
from pathlib import Path

from deskhand.bench.harness import Meter, Result, free_port, process, wait_for_port

REST, LOOK = 20, 10  # seconds: to calm down, to be looked at


def run(scale: float = 1.0) -> Result:
    """`peak_mb` is the sum of proportional set sizes; `cpu_ms` is per second. `scale` shortens the look."""
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        Path(folder).chmod(0o755)  # the server's own user must reach its part
        web, smtp = free_port(), free_port()
        command = ("serve", "--data", f"{folder}/data", "--port", str(web), "--smtp-port", str(smtp), "--lmtp-port", "0")  # fmt: skip
        with process(*command, "--demo", "--no-customers", "--no-open") as serve:
            wait_for_port(web, 300)
            wait_for_port(smtp, 60)
            urllib.request.urlopen(f"http://127.0.0.1:{web}/", timeout=60).read()
            with smtplib.SMTP("127.0.0.1", smtp) as client:
                client.sendmail(
                    "ada@customers.example", ["support@demo.example"], b"Subject: Hello\r\n\r\nHello\r\n"
                )
            time.sleep(REST)
            with Meter(serve.pid) as meter:
                time.sleep(max(1.0, LOOK * scale))
        processes = len(meter.seen)
    seconds = max(1.0, LOOK * scale)
    return Result(
        "idle", 0.0, 0.0, 0.0, 0.0, 1000 * meter.cpu_seconds / seconds, meter.peak_mb, 0.0, 0.0, {"processes": processes}
    )  # fmt: skip
