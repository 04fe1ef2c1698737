"""Which addresses adapters may call, and to which they may send customers: https, and plain http at a sandbox only."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit


def checked(name: str, url: str, *, plain_http_hosts: Collection[str]) -> str:
    """The host of an account's endpoint. Raises ValueError naming the setting for an address we would not call."""
    if not may_call(url, plain_http_hosts=plain_http_hosts):
        raise ValueError(f"{name} must be an https address (plain http only on loopback or in plain_http_hosts)")
    return urlsplit(url).hostname or ""


def may_call(url: str, *, plain_http_hosts: Collection[str]) -> bool:
    """Whether an address is https, or plain http of this machine or of a host that is named for it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_plain = parts.scheme == "http" and (is_loopback(host) or host in plain_http_hosts)
    return bool(host) and (parts.scheme == "https" or is_plain)


def may_lead_to(url: str, *, endpoint: str, pay_hosts: Collection[str], plain_http_hosts: Collection[str]) -> bool:
    """Whether a customer may be sent to a pay page: https on one of the gateway's domains or below.

    A page of a sandbox is plain http; the customer may see it elsewhere than we call it, but then on this machine.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return host in plain_http_hosts or (is_loopback(host) and urlsplit(endpoint).scheme == "http")
    named = any(host == allowed or host.endswith(f".{allowed}") for allowed in pay_hosts)
    return parts.scheme == "https" and named


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
