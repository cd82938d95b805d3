"""Is this an order at all? Each refusal names the field, the value and the way out."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from ordod.core.orders.validate import check_changes, check_gtt, check_terms
from ordod.domain.gtt import GttLeg, NewGtt
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.orders import OrderTerms, OrderType, Product, Side, Validity, Variety
from ordod.errors import Kind, OrdoError

FUTURE = Instrument(
    exchange=Exchange.NFO,
    symbol="NFO:NIFTY24NOV26FUT",
    broker_symbol="NIFTY26NOVFUT",
    instrument_token="1",
    kind=InstrumentKind.FUTURE,
    tick_size=Decimal("0.05"),
    lot_size=75,
    freeze_quantity=1800,
    lower_circuit=Decimal(20000),
    upper_circuit=Decimal(30000),
)
GOOD = OrderTerms(
    symbol=FUTURE.symbol,
    side=Side.BUY,
    quantity=150,
    type=OrderType.LIMIT,
    product=Product.NRML,
    price=Decimal("24500.05"),
)


def terms(**changed: Any) -> OrderTerms:
    return OrderTerms(**asdict(GOOD) | changed)


MARKET = {"type": OrderType.MARKET, "price": None}


@pytest.mark.parametrize(
    "order",
    [
        GOOD,
        terms(**MARKET),
        terms(**MARKET, market_protection=Decimal(2)),
        terms(type=OrderType.SL, trigger_price=Decimal(24400)),
        terms(type=OrderType.SL_M, price=None, trigger_price=Decimal(24400)),
        terms(validity=Validity.TTL, validity_minutes=5),
        terms(variety=Variety.ICEBERG, iceberg_legs=2),
        terms(variety=Variety.CO, trigger_price=Decimal(24400)),
        terms(variety=Variety.AMO, price=Decimal(10000)),
        terms(disclosed_quantity=75),
        terms(quantity=1800),
    ],
)
def test_an_order_that_the_exchange_takes_passes(order: OrderTerms) -> None:
    check_terms(order, FUTURE)


@pytest.mark.parametrize(
    ("order", "field", "says"),
    [
        (terms(quantity=0), "quantity", "1 or more"),
        (terms(quantity=-75), "quantity", "1 or more"),
        (terms(quantity=100), "quantity", "near: 75 or 150"),
        (terms(quantity=30), "quantity", "near: 75"),
        (terms(quantity=1875), "quantity", "order.slice"),
        (terms(quantity=10**30), "quantity", "above"),
        (terms(price=None), "price", "missing"),
        (terms(price=Decimal(0)), "price", "above 0"),
        (terms(price=Decimal("24500.07")), "price", "near: 24500.05 or 24500.1"),
        (terms(price=Decimal(30001)), "price", "circuit"),
        (terms(price=Decimal(19999)), "price", "circuit"),
        (terms(type=OrderType.MARKET), "price", "does not belong"),
        (terms(trigger_price=Decimal(1)), "trigger_price", "does not belong"),
        (terms(type=OrderType.SL), "trigger_price", "missing"),
        (terms(type=OrderType.SL_M, trigger_price=Decimal(1)), "price", "does not belong"),
        (terms(variety=Variety.CO), "trigger_price", "missing"),
        (terms(validity=Validity.TTL), "validity_minutes", "missing"),
        (terms(validity=Validity.TTL, validity_minutes=0), "validity_minutes", "from 1 to"),
        (terms(validity_minutes=5), "validity_minutes", "TTL only"),
        (terms(variety=Variety.ICEBERG), "iceberg_legs", "missing"),
        (terms(variety=Variety.ICEBERG, iceberg_legs=1), "iceberg_legs", "from 2 to 50"),
        (terms(variety=Variety.ICEBERG, iceberg_legs=4), "iceberg_legs", "divide"),
        (terms(iceberg_legs=2), "iceberg_legs", "ICEBERG only"),
        (terms(disclosed_quantity=0), "disclosed_quantity", "from 1 to"),
        (terms(disclosed_quantity=151), "disclosed_quantity", "from 1 to"),
        (terms(market_protection=Decimal(1)), "market_protection", "MARKET and SL-M"),
        (terms(**MARKET, market_protection=Decimal(0)), "market_protection", "percentage"),
        (terms(**MARKET, market_protection=Decimal(101)), "market_protection", "percentage"),
    ],
)
def test_what_is_wrong_is_named(order: OrderTerms, field: str, says: str) -> None:
    with pytest.raises(OrdoError) as refused:
        check_terms(order, FUTURE)

    assert refused.value.kind is Kind.INVALID_PARAMS
    assert refused.value.data["field"] == field
    assert refused.value.message.startswith(field)
    assert says in refused.value.message


@pytest.mark.parametrize(
    "instrument",
    [
        replace(FUTURE, kind=InstrumentKind.INDEX, exchange=Exchange.NSE_INDEX),
        replace(FUTURE, lot_size=None),
    ],
)
def test_what_cannot_be_traded_in_units_is_unsupported(instrument: Instrument) -> None:
    with pytest.raises(OrdoError) as refused:
        check_terms(GOOD, instrument)

    assert refused.value.kind is Kind.UNSUPPORTED


@given(st.integers(-1000, 4000))
def test_a_near_quantity_that_is_named_would_pass(quantity: int) -> None:
    try:
        check_terms(terms(quantity=quantity), FUTURE)
    except OrdoError as refused:
        if "near: " in refused.message:
            for near in refused.message.partition("near: ")[2].split(" or "):
                if int(near) <= 1800:
                    check_terms(terms(quantity=int(near)), FUTURE)
    else:
        assert quantity % 75 == 0
        assert 0 < quantity <= 1800


def test_a_modify_may_not_go_below_what_is_filled() -> None:
    check_changes(terms(quantity=150), FUTURE, filled_quantity=75)

    with pytest.raises(OrdoError, match="filled already"):
        check_changes(terms(quantity=75), FUTURE, filled_quantity=75)


def leg(trigger: str, **changed: Any) -> GttLeg:
    fields: dict[str, Any] = {
        "trigger_price": Decimal(trigger),
        "side": Side.SELL,
        "quantity": 75,
        "price": Decimal(24000),
    }
    return GttLeg(**fields | changed)


def test_a_gtt_of_stop_and_target_passes() -> None:
    check_gtt(NewGtt(symbol=FUTURE.symbol, legs=(leg("24000"), leg("25000"))), FUTURE)


@pytest.mark.parametrize(
    ("legs", "field"),
    [
        ((leg("24000", quantity=1),), "quantity"),
        ((leg("24000.01"),), "trigger_price"),
        ((leg("24000", price=Decimal("1.01")),), "price"),
        ((leg("25000"), leg("24000")), "legs"),
        ((leg("24000"), leg("24000")), "legs"),
    ],
)
def test_what_is_wrong_with_a_gtt_is_named(legs: tuple[GttLeg, ...], field: str) -> None:
    with pytest.raises(OrdoError) as refused:
        check_gtt(NewGtt(symbol=FUTURE.symbol, legs=legs), FUTURE)

    assert refused.value.data["field"] == field
