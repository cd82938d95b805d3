"""The contracts and the session that these tests speak of."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ordod.adapter import (
    IST,
    BrokerOrder,
    Exchange,
    HttpResponse,
    Instrument,
    InstrumentKind,
    NewOrder,
    OrderType,
    Product,
    Secret,
    Session,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed

__all__ = ["CRUDE", "LISTED", "NIFTY", "NOW", "OPTION", "ROW", "SBIN", "SESSION", "answer", "order"]

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=IST)
SESSION = Session(user_id="ZZ0001", access_token=Secret("the-session-token-of-the-tests"))


def instrument(
    symbol: str, key: str, kind: InstrumentKind = InstrumentKind.EQUITY, **more: Any
) -> Instrument:
    exchange = Exchange(symbol.partition(":")[0])
    fields: dict[str, Any] = {"tick_size": Decimal("0.05"), "lot_size": 1, "broker_symbol": symbol}
    return Instrument(
        exchange=exchange, symbol=symbol, instrument_token=key, kind=kind, **(fields | more)
    )


SBIN = instrument("NSE:SBIN", "NSE_EQ|INE062A01020")
NIFTY = instrument("NSE_INDEX:NIFTY", "NSE_INDEX|Nifty 50", InstrumentKind.INDEX, lot_size=None)
OPTION = instrument(
    "NFO:NIFTY27JAN2624000CE",
    "NSE_FO|40062",
    InstrumentKind.CALL,
    lot_size=75,
    expiry=date(2026, 1, 27),
    strike=Decimal(24000),
)
CRUDE = instrument(
    "MCX:CRUDEOIL16JAN26FUT",
    "MCX_FO|499095",
    InstrumentKind.FUTURE,
    lot_size=100,
    expiry=date(2026, 1, 16),
)
LISTED = Listed((SBIN, NIFTY, OPTION, CRUDE))

ROW = BrokerOrder(
    broker_order_id="260105000987654",
    status=Status.OPEN,
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    validity=Validity.DAY,
    variety=Variety.REGULAR,
    price=Decimal("801.5"),
)


def order(**more: Any) -> NewOrder:
    """Ten SBIN at 801.5, changed by what is named."""
    terms: dict[str, Any] = {
        "symbol": "NSE:SBIN",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal("801.5"),
        "tag": "o7f3a91c2dk5m7q2w3xy",
    }
    return NewOrder(**(terms | more))


def answer(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (), body)
