"""Addresses of servers: what is one, and which are on this machine, so that nothing leaves it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from style_clone.errors import UsageError

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_address(url: str) -> bool:
    """Whether it is an http:// or https:// address of a server, with no user and no query in it, where keys would be."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half of an IPv6 address
        return False
    return known and not parts.query and not parts.username


def check_address(url: str, what: str, *, example: str, key: str) -> None:
    """Raises UsageError for what is no address, by the name `what`. It is not quoted: it may hold a key, which belongs in the
    environment's variable `key`."""
    if not is_address(url):
        raise UsageError(
            f"{what} is no http:// or https:// address of a server",
            mend=f"For example: {example}. The key does not belong in it: set {key}.",
        )


def other_machine(url: str | None) -> str | None:
    """The host that a URL names, where it is not this machine; None where it is, and for no URL."""
    host = urlsplit(url or "").hostname or ""
    return None if not host or is_loopback(host) else host
