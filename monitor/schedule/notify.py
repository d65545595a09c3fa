"""Tells systemd how the service is (sd_notify(3)). Nothing happens where nobody listens."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(message: str) -> None:
    """`READY=1`, `WATCHDOG=1`, `STOPPING=1`, … to the socket in `NOTIFY_SOCKET`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        # systemd's own manager is gone or deaf: it will restart us where that matters
        to.sendto(message.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
