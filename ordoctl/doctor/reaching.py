"""The way to the brokers: names, connections, the address they leave from. Connected and closed; not a byte of ours is sent."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from msgspec import Struct

from ordoctl.doctor.findings import Finding, counted, ok, problem, skipped, warning

__all__ = ["Reached", "Target", "Way", "accounts_network", "reach"]

CONNECT_S = 5.0
AT_ONCE = 16
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Target(Struct, frozen=True):
    """Where one of a broker's hosts is. `source`: the address of this machine to leave from."""

    host: str
    port: int
    is_tls: bool
    source: str | None

    @classmethod
    def of(cls, url: str, source: str | None) -> "Target | None":
        """None: it is nowhere on a network (the paper broker)."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            return None
        port = parts.port or PORTS[parts.scheme]
        return cls(parts.hostname, port, parts.scheme in ("https", "wss"), source)


class Reached(Struct, frozen=True):
    """How far one came: `unresolved`, `unreached` say why not, "" where it went well. `local`: the address it left from."""

    unresolved: str = ""
    unreached: str = ""
    local: str = ""
    tls: str = ""


class Way:
    """The network as it is. `context` is a parameter for tests."""

    def __init__(self, context: ssl.SSLContext | None = None, timeout_s: float = CONNECT_S) -> None:
        self._context = context
        self._timeout_s = timeout_s

    def reach(self, target: Target) -> Reached:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except OSError as why:
            return Reached(unresolved=why.strerror or str(why))
        refused = ""
        for family, kind, protocol, _, address in found:
            if target.source and (":" in target.source) != (family == socket.AF_INET6):
                refused = refused or f"{target.host} has no address of the kind of {target.source}"
                continue
            try:
                with socket.socket(family, kind, protocol) as link:
                    return self._connected(link, address, target)
            except ssl.SSLCertVerificationError as why:
                return Reached(unreached=f"its certificate is not good: {why.verify_message}")
            except OSError as why:
                refused = why.strerror or str(why)
        return Reached(unreached=refused)

    def _connected(self, link: socket.socket, address: object, target: Target) -> Reached:
        link.settimeout(self._timeout_s)
        if target.source:
            link.bind((target.source, 0))
        link.connect(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
        local = str(link.getsockname()[0])
        if not target.is_tls:
            return Reached(local=local)
        context = self._context or _as_the_daemon()
        with context.wrap_socket(link, server_hostname=target.host) as tls:
            return Reached(local=local, tls=tls.version() or "TLS")

    def is_here(self, address: str) -> bool:
        """Whether a connection can leave from this address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as link:
                link.bind((address, 0))
        except OSError:
            return False
        return True


def _as_the_daemon() -> ssl.SSLContext:
    from ordod.io.connections import tls_context

    return tls_context()


def reach(targets: set[Target], way: Way) -> dict[Target, Reached]:
    """All of them, side by side."""
    if not targets:
        return {}
    ordered = sorted(targets, key=lambda target: (target.host, target.port, target.source or ""))
    with ThreadPoolExecutor(min(AT_ONCE, len(ordered))) as pool:
        return dict(zip(ordered, pool.map(way.reach, ordered), strict=True))


def accounts_network(
    account: str,
    urls: Mapping[str, str],
    source: str | None,
    reached: Mapping[Target, Reached] | None,
    way: Way,
) -> Iterator[Finding]:
    """One account's names, connections and address.

    Args:
        urls: of the broker's hosts, by the adapter's names.
        source: `source_address`.
        reached: None: nobody looked (`--offline`).
    """
    if source is not None and not way.is_here(source):
        yield problem(
            "source_address",
            f"{source} is no address of this machine: no connection can leave from it",
            "ip -brief address   # and put one of these into source_address",
            about=account,
        )
        return
    targets = {target for url in urls.values() if (target := Target.of(url, source))}
    if not targets:
        return
    if reached is None:
        for check in ("dns", "reach", "address"):
            yield skipped(check, "--offline", about=account)
        return
    results = {target: reached[target] for target in targets}
    yield _dns(account, results)
    yield _reach(account, results)
    yield _address(account, source, {one.local for one in results.values() if one.local})


def _dns(account: str, results: Mapping[Target, Reached]) -> Finding:
    bad = {t.host: one.unresolved for t, one in results.items() if one.unresolved}
    if not bad:
        return ok("dns", f"{counted(len({t.host for t in results}), 'name')} found", about=account)
    host, why = next(iter(sorted(bad.items())))
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    return problem(
        "dns",
        f"{host} is not found ({why}){more}",
        f"getent hosts {host}   # look at /etc/resolv.conf, and at urls or base_url of {account}",
        about=account,
    )


def _reach(account: str, results: Mapping[Target, Reached]) -> Finding:
    bad = {t: one.unreached for t, one in results.items() if one.unreached}
    good = [one for one in results.values() if not (one.unreached or one.unresolved)]
    if bad:
        target, why = next(iter(sorted(bad.items(), key=lambda item: item[0].host)))
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        return problem(
            "reach",
            f"{target.host}:{target.port}: {why}{more}",
            f"nc -vz {target.host} {target.port}   # look at firewall and network",
            about=account,
        )
    if not good:
        return skipped("reach", "no name of its hosts was found", about=account)
    kinds = ", ".join(sorted({one.tls or "without TLS" for one in good}))
    return ok(
        "reach",
        f"{counted(len(good), 'connection')} made and closed ({kinds}); nothing was sent",
        about=account,
    )


def _address(account: str, source: str | None, local: set[str]) -> Finding:
    if not local:
        return skipped("address", "no connection was made", about=account)
    shown = ", ".join(sorted(local))
    if all(ipaddress.ip_address(one).is_loopback for one in local):
        return ok("address", f"{shown}: a broker on this machine", about=account)
    is_private = any(ipaddress.ip_address(one).is_private for one in local)
    if is_private:
        told = f"leaves from {shown}, a private address: the broker sees that of your router or provider. What it has registered only its own site shows; compare"
    else:
        told = (
            f"leaves from {shown}. What the broker has registered only its own site shows; compare"
        )
    if source is None and len(local) > 1:
        return warning(
            "address", told, f"set source_address of {account} to the registered one", about=account
        )
    return ok("address", told, about=account)
