"""Contract sizes that a broker's master does not tell: a dated table, a fact of the exchanges and of no broker.

A *unit* is what the price is quoted for, so that price x units x lots is rupees: crude oil is quoted per barrel and a lot is
100 barrels, 100 units; gold is quoted per 10 grams and a lot is a kilogram, again 100 units. (Counting grams or kilograms
would be wrong by the quotation: a gold lot would be worth ten times what it is.) Kite's `multiplier` in a position row is
the same number (LEADMINI 1000, GOLDGUINEA 1: samples of 2017).

Only sizes that are sure stand here. What is missing has no size, and orders for it are refused: never guess one. When an
exchange changes a size, it does so from an expiry on: add a row, keep the old one.
"""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct

from ordod.domain.instruments import Exchange

__all__ = ["CONTRACT_SIZES", "ContractSize", "contract_size"]


class ContractSize(Struct, frozen=True):
    """Units in a lot of contracts on `underlying` that expire on `since` or later; `lot` and `quoted` say it in words."""

    exchange: Exchange
    underlying: str
    since: date
    units: int
    lot: str
    quoted: str


_2024 = date(
    2024, 1, 1
)  # held for every contract that expired since, as far as known in January 2026


def _mcx(underlying: str, units: int, lot: str, quoted: str) -> ContractSize:
    return ContractSize(Exchange.MCX, underlying, _2024, units, lot, quoted)


def _currency(underlying: str, lot: str, quoted: str) -> Iterable[ContractSize]:
    for exchange in (Exchange.CDS, Exchange.BCD):
        yield ContractSize(exchange, underlying, _2024, 1000, lot, quoted)


CONTRACT_SIZES: tuple[ContractSize, ...] = (
    # MCX: "trading unit" and "quotation" of its contract specifications
    _mcx("CRUDEOIL", 100, "100 barrels", "barrel"),
    _mcx("CRUDEOILM", 10, "10 barrels", "barrel"),
    _mcx("NATURALGAS", 1250, "1250 mmBtu", "mmBtu"),
    _mcx("NATGASMINI", 250, "250 mmBtu", "mmBtu"),
    _mcx("GOLD", 100, "1 kg", "10 g"),
    _mcx("GOLDM", 10, "100 g", "10 g"),
    _mcx("GOLDGUINEA", 1, "8 g", "8 g"),
    _mcx("GOLDPETAL", 1, "1 g", "1 g"),
    _mcx("SILVER", 30, "30 kg", "kg"),
    _mcx("SILVERM", 5, "5 kg", "kg"),
    _mcx("SILVERMIC", 1, "1 kg", "kg"),
    _mcx("COPPER", 2500, "2500 kg", "kg"),
    _mcx("ZINC", 5000, "5 t", "kg"),
    _mcx("ZINCMINI", 1000, "1 t", "kg"),
    _mcx("LEAD", 5000, "5 t", "kg"),
    _mcx("LEADMINI", 1000, "1 t", "kg"),
    _mcx("ALUMINIUM", 5000, "5 t", "kg"),
    _mcx("ALUMINI", 1000, "1 t", "kg"),
    # NSE and BSE currency: rupee pairs only; a cross pair's price is not in rupees
    *_currency("USDINR", "1000 US dollars", "dollar"),
    *_currency("EURINR", "1000 euros", "euro"),
    *_currency("GBPINR", "1000 pounds", "pound"),
    *_currency("JPYINR", "100,000 yen", "100 yen"),
)


def contract_size(exchange: Exchange, underlying: str, expiry: date) -> int | None:
    """Units in one lot of the contract of this underlying and expiry; None: not in the table."""
    rows = (
        row
        for row in CONTRACT_SIZES
        if row.exchange is exchange and row.underlying == underlying and row.since <= expiry
    )
    newest = max(rows, key=lambda row: row.since, default=None)
    return newest.units if newest else None
