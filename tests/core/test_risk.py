"""Risk limits: a function of an order, limits and facts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.core.guard.risk import Facts, OrderRate, check
from ordod.domain.orders import OrderTerms, OrderType, Product, Side, Variety
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError
from tests.simulation.ports import IST

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)  # a Monday
FACTS = Facts(now=NOW)


def order(**changed: Any) -> OrderTerms:
    fields: dict[str, Any] = {
        "symbol": "NFO:NIFTY24NOV26FUT",
        "side": Side.BUY,
        "quantity": 75,
        "type": OrderType.LIMIT,
        "product": Product.NRML,
        "price": Decimal(100),
    }
    return OrderTerms(**fields | changed)


BREAKS: list[tuple[RiskLimits, dict[str, Any], Facts, str]] = [
    (RiskLimits(max_quantity=74), {}, FACTS, "max_quantity"),
    (RiskLimits(max_value=Decimal(7499)), {}, FACTS, "max_value"),
    (
        RiskLimits(max_value=Decimal(7499)),
        {"type": OrderType.MARKET, "price": None},
        Facts(now=NOW, last_price=Decimal(100)),
        "max_value",
    ),
    (
        RiskLimits(max_value=Decimal(7499)),
        {"type": OrderType.SL_M, "price": None, "trigger_price": Decimal(100)},
        FACTS,
        "max_value",
    ),
    (RiskLimits(orders_per_second=2), {}, Facts(now=NOW, rate=(2, 2, 2)), "orders_per_second"),
    (RiskLimits(orders_per_minute=2), {}, Facts(now=NOW, rate=(0, 2, 2)), "orders_per_minute"),
    (RiskLimits(orders_per_day=2), {}, Facts(now=NOW, rate=(0, 0, 2)), "orders_per_day"),
    (RiskLimits(max_open_orders=1), {}, Facts(now=NOW, open_orders=1), "max_open_orders"),
    (RiskLimits(allow_instruments=("NSE:*",)), {}, FACTS, "allow_instruments"),
    (RiskLimits(forbid_instruments=("NFO:NIFTY*",)), {}, FACTS, "forbid_instruments"),
    (RiskLimits(allow_products=(Product.MIS,)), {}, FACTS, "allow_products"),
    (RiskLimits(forbid_products=(Product.NRML,)), {}, FACTS, "forbid_products"),
    (
        RiskLimits(price_band_percent=Decimal(5)),
        {},
        Facts(now=NOW, last_price=Decimal(90)),
        "price_band_percent",
    ),
    (RiskLimits(look_alike_s=10), {}, Facts(now=NOW, look_alike=("o1", 9.9)), "look_alike_s"),
    (
        RiskLimits(market_hours=True),
        {},
        Facts(now=NOW, is_open=False),
        "market_hours",
    ),
]

PASSES: list[tuple[RiskLimits, dict[str, Any], Facts]] = [
    (RiskLimits(), {}, FACTS),
    (RiskLimits(max_quantity=75), {}, FACTS),
    (RiskLimits(max_value=Decimal(7500)), {}, FACTS),
    (RiskLimits(orders_per_second=2), {}, Facts(now=NOW, rate=(1, 9, 9))),
    (RiskLimits(max_open_orders=1), {}, FACTS),
    (RiskLimits(allow_instruments=("NSE:*", "NFO:NIFTY*")), {}, FACTS),
    (RiskLimits(allow_products=(Product.NRML,)), {}, FACTS),
    (RiskLimits(price_band_percent=Decimal(5)), {}, Facts(now=NOW, last_price=Decimal(96))),
    (RiskLimits(look_alike_s=10), {}, Facts(now=NOW, look_alike=("o1", 10.0))),
    (RiskLimits(market_hours=True), {}, FACTS),
]


@pytest.mark.parametrize(("limits", "changed", "facts", "name"), BREAKS)
def test_each_limit_refuses_what_breaks_it(
    limits: RiskLimits, changed: dict[str, Any], facts: Facts, name: str
) -> None:
    with pytest.raises(OrdoError) as refused:
        check(order(**changed), [("account paper", limits, facts)])

    assert refused.value.kind is Kind.RISK_REFUSED
    assert refused.value.data["limit"] == f"account paper: {name}"


@pytest.mark.parametrize(("limits", "changed", "facts"), PASSES)
def test_what_a_limit_allows_passes(
    limits: RiskLimits, changed: dict[str, Any], facts: Facts
) -> None:
    assert check(order(**changed), [("all", limits, facts)]) == ()


def test_an_order_passes_only_where_every_scope_lets_it() -> None:
    wide, narrow = RiskLimits(max_quantity=100), RiskLimits(max_quantity=50)

    with pytest.raises(OrdoError, match=r"of strategy orb"):
        check(order(), [("all", wide, FACTS), ("strategy orb", narrow, FACTS)])


def test_a_limit_that_lacks_a_fresh_price_passes_and_says_so() -> None:
    limits = RiskLimits(max_value=Decimal(1), price_band_percent=Decimal(1))
    market = order(type=OrderType.MARKET, price=None)

    assert check(market, [("all", limits, FACTS)]) == ("max_value",)
    assert check(order(quantity=0), [("all", limits, FACTS)]) == ("price_band_percent",)


def test_an_after_market_order_is_meant_for_closed_hours() -> None:
    night = Facts(now=NOW, is_open=False)

    assert check(order(variety=Variety.AMO), [("all", RiskLimits(market_hours=True), night)]) == ()


@given(st.lists(st.floats(0, 90_000), max_size=60))
def test_the_rate_counts_the_last_second_minute_and_day(times: list[float]) -> None:
    rate = OrderRate()
    now = max(times, default=0.0)
    for at in sorted(times):
        rate.add(at)

    counted = rate.counts(now)

    assert counted == tuple(sum(now - at < span for at in times) for span in (1, 60, 86_400))
