"""`GET /metrics`: what the daemon's parts know of themselves, in Prometheus' text format, made when asked for.

Labels are accounts, brokers, methods, receivers of alerts and fixed words: never a symbol, key, strategy or caller, so the number of series has a
bound whatever clients send. What may come to be is there from the start, as 0: a counter that first appears with its first event
hides that event from `increase()`. Imported in a thread once the daemon is ready: a start does not pay for prometheus-client.
"""

from collections.abc import Iterator

import anyio
import anyio.lowlevel
from prometheus_client import CONTENT_TYPE_LATEST, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest

from ordod.core.parts import Parts
from ordod.machine import Machine
from ordod.metrics import accounts, daemon, orders
from ordod.service.methods import Caller, Role
from ordod.wire.dispatch import Tally

__all__ = ["CONTENT_TYPE_LATEST", "families", "scrape"]


async def scrape(parts: Parts, caller: Caller, tally: Tally, machine: Machine) -> bytes:
    """One scrape, of the accounts that the caller may read.

    Metric by metric, others having their turn between: the whole of it takes 5 ms with four accounts, and orders do not wait.
    """
    pieces = [generate_latest(ProcessCollector(registry=None))]
    for family in families(parts, caller, tally, machine):
        pieces.append(generate_latest(_Of(family)))
        await anyio.lowlevel.checkpoint()
    return b"".join(pieces)


def families(parts: Parts, caller: Caller, tally: Tally, machine: Machine) -> Iterator[Metric]:
    seen = [
        account for name, account in parts.accounts.items() if caller.role_for(name) >= Role.READ
    ]
    yield from daemon.families(parts, tally, machine)
    yield from accounts.families(parts, seen)
    yield from orders.families(parts, seen)


class _Of:
    """What `generate_latest` wants of a registry."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family
