"""The dated table of contract sizes: price x units is rupees, and what is not in it has no size."""

from datetime import date

import pytest

from ordod.adapter import Exchange, contract_size
from ordod.adapter.contract_sizes import CONTRACT_SIZES

NOVEMBER = date(2026, 11, 19)


@pytest.mark.parametrize(
    ("exchange", "underlying", "price", "worth"),
    [
        (Exchange.MCX, "CRUDEOIL", 5600, 560_000),  # rupees a barrel, 100 barrels
        (Exchange.MCX, "GOLD", 120_000, 12_000_000),  # rupees for 10 g, a kilogram
        (Exchange.MCX, "GOLDM", 120_000, 1_200_000),  # rupees for 10 g, 100 g
        (Exchange.MCX, "GOLDGUINEA", 96_000, 96_000),  # rupees for 8 g, 8 g
        (Exchange.MCX, "SILVER", 150_000, 4_500_000),  # rupees a kilogram, 30 kg
        (Exchange.MCX, "NATURALGAS", 300, 375_000),
        (Exchange.MCX, "LEADMINI", 180, 180_000),
        (Exchange.CDS, "USDINR", 85, 85_000),
        (Exchange.BCD, "JPYINR", 56, 56_000),  # rupees for 100 yen, 100,000 yen
    ],
)
def test_price_times_units_is_what_a_lot_is_worth(
    exchange: Exchange, underlying: str, price: int, worth: int
) -> None:
    units = contract_size(exchange, underlying, NOVEMBER)

    assert units is not None
    assert price * units == worth


@pytest.mark.parametrize(
    ("exchange", "underlying", "expiry"),
    [
        (Exchange.MCX, "COTTON", NOVEMBER),
        (Exchange.CDS, "EURUSD", NOVEMBER),
        (Exchange.CDS, "CRUDEOIL", NOVEMBER),
        (Exchange.MCX, "CRUDE", NOVEMBER),
        (Exchange.MCX, "COPPER", date(2017, 11, 30)),  # older than the table
    ],
)
def test_what_is_not_in_the_table_has_no_size(
    exchange: Exchange, underlying: str, expiry: date
) -> None:
    assert contract_size(exchange, underlying, expiry) is None


def test_no_contract_has_two_sizes_from_one_day() -> None:
    keys = [(row.exchange, row.underlying, row.since) for row in CONTRACT_SIZES]

    assert len(keys) == len(set(keys))
