"""A listener in a process of its own that can be killed: `python -m … SMTP_PORT LMTP_PORT`.

The parent has everything loaded and starts a new child as soon as one has died; it prints each child's pid.
"""

from __future__ import annotations

import os
import sys
import threading

import django


def main() -> None:
    django.setup()
    from deskhand.channels.email.listener import Listener

    smtp_port, lmtp_port = (int(word) for word in sys.argv[1:3])
    while True:
        child = os.fork()
        if not child:
            doors = Listener(smtp_port=smtp_port, lmtp_port=lmtp_port)
            doors.run(threading.Event(), lambda: os.write(1, f"{os.getpid()}\n".encode()))
            os._exit(1)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
