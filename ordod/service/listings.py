"""One contract at all brokers: what each calls it, and where they do not tell the same of it.

The contract's name is Ordo's, made of exchange, name and series, or of underlying, expiry, type and strike; brokers' rows that
bear it are one contract. A share's ISIN proves it, where masters tell it: another ISIN under the same name is another security
(or an old file of one that was split), and the same ISIN under another name another series, or a new name that one broker
does not know yet. Both are told and neither is joined.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from ordod.core.account import Account
from ordod.domain.instruments import Instrument
from ordod.domain.money import canonical

__all__ = ["Disagreement", "Listing", "disagreements", "listings"]

# What brokers must tell alike. Circuit limits are left out: they change in the day, and files are not of one minute.
COMPARED: tuple[tuple[str, Callable[[Instrument], Any]], ...] = (
    ("isin", lambda one: one.isin),
    ("expiry", lambda one: one.expiry),
    ("strike", lambda one: one.strike),
    ("lot_size", lambda one: one.lot_size),
    ("tick_size", lambda one: one.tick_size),
    ("freeze_quantity", lambda one: one.freeze_quantity),
)


class Listing(Struct, frozen=True):
    """What one broker's master has under this name.

    Args:
        accounts: that are at this broker.
        loaded_on: the day of the master; null: none yet.
        instruments: one; none, where it does not list the contract; several, where the name is ambiguous there, and
            then nothing is ordered under it.
        same_isin: other names under which it lists the same security at this exchange.
    """

    broker: str
    accounts: list[str]
    loaded_on: date | None
    instruments: list[Instrument]
    same_isin: list[str] = []


class Disagreement(Struct, frozen=True):
    """What brokers tell differently.

    Args:
        field: of the instrument.
        values: broker -> what it tells.
    """

    field: str
    values: dict[str, str]


def listings(accounts: Iterable[Account], contract: Instrument) -> list[Listing]:
    """A row for each broker, in the order of the configuration."""
    brokers: dict[str, list[Account]] = {}
    for account in accounts:
        brokers.setdefault(account.spec.id, []).append(account)
    rows = {broker: _rows(known[0], contract.symbol) for broker, known in brokers.items()}
    isins = {row.isin for found in rows.values() for row in found if row.isin}
    return [
        Listing(
            broker=broker,
            accounts=[account.name for account in known],
            loaded_on=known[0].master.loaded_on,
            instruments=rows[broker],
            same_isin=_other_names(known[0], contract, isins),
        )
        for broker, known in brokers.items()
    ]


def _rows(account: Account, symbol: str) -> list[Instrument]:
    """Those of this name; what a broker calls so itself is another contract of ours."""
    found = account.master.candidates(symbol)
    return found if any(row.symbol == symbol for row in found) else []


def _other_names(account: Account, contract: Instrument, isins: Iterable[str]) -> list[str]:
    found = (row for isin in isins for row in account.master.by_isin(contract.exchange, isin))
    return sorted({row.symbol for row in found} - {contract.symbol})


def disagreements(told: Sequence[Listing]) -> list[Disagreement]:
    """Fields of which two brokers tell different values. One that tells none does not disagree."""
    sure = {one.broker: one.instruments[0] for one in told if len(one.instruments) == 1}
    found = []
    for field, read in COMPARED:
        values = {broker: read(row) for broker, row in sure.items() if read(row) is not None}
        if len(set(values.values())) > 1:
            texts = {broker: _text(value) for broker, value in values.items()}
            found.append(Disagreement(field, texts))
    return found


def _text(value: Any) -> str:
    return canonical(value) if isinstance(value, Decimal) else str(value)
