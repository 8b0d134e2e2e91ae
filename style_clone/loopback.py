"""This machine's own address, and what is none of its own: what is sent there leaves it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def other_machine(url: str | None) -> str | None:
    """The host that a URL names, where it is not this machine; None where it is, and for no URL."""
    host = urlsplit(url or "").hostname or ""
    return None if not host or is_loopback(host) else host
