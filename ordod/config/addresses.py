"""`host:port`, as `[daemon] tcp` writes it."""

import re
from ipaddress import ip_address

__all__ = ["split_address"]

HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*"
)


def split_address(text: str) -> tuple[str, int]:
    """Host, in lower case and without brackets, and port. Raises ValueError, which says what it must be."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise ValueError(f'must be host:port, as 127.0.0.1:7878 or [::1]:7878, and is "{text}"')
    host = host.lower()
    if host.startswith("[") and host.endswith("]"):
        return _address(host[1:-1], text), int(port)
    if ":" in host:
        raise ValueError(f'is "{text}": an IPv6 address stands in brackets, as [::1]:7878')
    if host.replace(".", "").isdecimal():
        return _address(host, text), int(port)
    if not HOST_NAME.fullmatch(host):
        raise ValueError(f'names no host: "{text}"; to listen everywhere it is 0.0.0.0 or [::]')
    return host, int(port)


def _address(host: str, text: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(f'is "{text}": {host} is no address') from None
