"""Rupees: exact in, short out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.domain.money import PRICE_MAX, canonical, is_on_tick, rupees

amounts = st.decimals(
    min_value=0, max_value=PRICE_MAX, allow_nan=False, allow_infinity=False, places=4
)


@given(amounts)
def test_an_amount_survives_being_written_and_read(amount: Decimal) -> None:
    assert rupees(canonical(amount)) == amount


@given(amounts, st.integers(0, 6))
def test_two_ways_to_write_an_amount_have_one_canonical(amount: Decimal, zeros: int) -> None:
    longer = f"{amount:f}" + ("0" * zeros if "." in f"{amount:f}" else "." + "0" * zeros)

    assert canonical(rupees(longer)) == canonical(amount)


@pytest.mark.parametrize(
    ("given_", "read"),
    [(1450, "1450"), ("1450.50", "1450.5"), (Decimal("0.05"), "0.05"), (0, "0"), ("100", "100")],
)
def test_plain_numbers_are_read_exactly(given_: object, read: str) -> None:
    assert canonical(rupees(given_)) == read


@pytest.mark.parametrize(
    "bad",
    [
        True,
        1450.5,
        None,
        [],
        "",
        "1e3",
        "nan",
        "inf",
        "-1",
        "1.2.3",
        "--1",
        "1,000",
        " 1",
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("-0.05"),
        PRICE_MAX + 1,
        "٣",
    ],
)
def test_what_is_no_plain_price_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        rupees(bad)


def test_a_price_is_on_its_tick_or_not() -> None:
    assert is_on_tick(Decimal("100.05"), Decimal("0.05"))
    assert not is_on_tick(Decimal("100.07"), Decimal("0.05"))
