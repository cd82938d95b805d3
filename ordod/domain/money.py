"""Rupees: read exactly, written short, checked against a tick."""

from decimal import Decimal, InvalidOperation

__all__ = ["canonical", "is_on_tick", "rupees"]

PRICE_MAX = Decimal(10**9)  # no Indian instrument comes near; what is above is a typing error
DECIMALS_MAX = 40  # more than any program writes of a price; a text may have a million


def rupees(value: object) -> Decimal:
    """The exact amount a JSON number or decimal string names.

    Raises:
        ValueError: not a plain decimal number (booleans, `nan`, `inf`, exponents), negative, or beyond any price.
    """
    match value:
        case bool():
            raise ValueError("a boolean is not a price")
        case int():
            amount = Decimal(value)
        case Decimal():
            amount = value
        case str() if value and not set(value) - set("0123456789.-"):
            try:
                amount = Decimal(value)
            except InvalidOperation:
                raise ValueError("not a decimal number") from None
        case str():
            raise ValueError("not a plain decimal number (no exponent, nan or inf)")
        case _:
            raise ValueError("not a number")
    if not amount.is_finite():
        raise ValueError("not a finite number")
    if amount.as_tuple().exponent < -DECIMALS_MAX:  # type: ignore[operator]  # an int: it is finite
        raise ValueError(f"more than {DECIMALS_MAX} decimals")
    if amount < 0:
        raise ValueError("negative")
    if amount > PRICE_MAX:
        raise ValueError(f"above {PRICE_MAX}, which no price reaches")
    return amount


def canonical(amount: Decimal) -> str:
    """The one way to write an amount: `1450.5` for 1450.50, `1450` for 1450.00."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_on_tick(price: Decimal, tick_size: Decimal) -> bool:
    return price % tick_size == 0
