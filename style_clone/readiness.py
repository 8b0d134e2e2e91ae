"""Tells the service manager that a service is ready, where one asks: systemd's notification, one datagram."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell_ready(environment: Mapping[str, str] = os.environ) -> None:
    """Say READY to the socket NOTIFY_SOCKET names; nothing where there is none, or nobody listens."""
    name = environment.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # A name that begins with @ is in the abstract namespace, which the system writes with a zero byte.
        sender.sendto(b"READY=1", f"\0{name[1:]}" if name[0] == "@" else name)
