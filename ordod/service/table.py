"""The table of methods: all that clients may call. What is not built is not here."""

from ordod.core.parts import Parts
from ordod.service import (
    accounts,
    alerts,
    gtts,
    hours,
    identity,
    journal,
    kill,
    market,
    options,
    orders,
    portfolio,
    risk,
    streams,
    system,
)
from ordod.service.methods import Method

__all__ = ["table"]


def table(parts: Parts, journal_key: bytes | None = None) -> list[Method]:
    return [
        *system.methods(parts),
        *identity.methods(),
        *accounts.methods(parts),
        *orders.methods(parts),
        *gtts.methods(parts),
        *portfolio.methods(parts),
        *market.methods(parts),
        *hours.methods(parts),
        *options.methods(parts),
        *streams.methods(parts),
        *kill.methods(parts),
        *risk.methods(parts),
        *journal.methods(parts, journal_key),
        *alerts.methods(parts),
    ]
