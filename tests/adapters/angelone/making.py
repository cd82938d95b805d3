"""What the adapter's tests are made of: a session, instruments, orders, answers of the samples."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordod.adapter import (
    BrokerOrder,
    Exchange,
    HttpResponse,
    Instrument,
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
from ordod.adapter.suite import Listed, load

SAMPLES = Path(__file__).parent / "samples"
LISTED = Listed(load(SAMPLES).instruments.values())
SESSION = Session(
    user_id="A100001",
    access_token=Secret("jwt0"),
    api_key="key0",
    options={
        "client_local_ip": "127.0.0.1",
        "client_public_ip": "192.0.2.10",
        "mac_address": "02:00:00:00:00:01",
    },
)


def listed(exchange: Exchange, broker_symbol: str) -> Instrument:
    found = LISTED.by_broker_symbol(exchange, broker_symbol)
    assert found is not None
    return found


SBIN = listed(Exchange.NSE, "SBIN-EQ")
OPTION = listed(Exchange.NFO, "NIFTY28OCT2525000CE")
CRUDE = listed(Exchange.MCX, "CRUDEOIL17NOV25FUT")
GOLD = listed(Exchange.MCX, "GOLDM05DEC25FUT")
NIFTY = listed(Exchange.NSE_INDEX, "Nifty 50")


def order(**more: Any) -> NewOrder:
    terms: dict[str, Any] = {
        "symbol": "NSE:SBIN",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal("812.50"),
        "tag": "a7f3a91c2dk5m7q2w3x",
    }
    return NewOrder(**(terms | more))


def row(**more: Any) -> BrokerOrder:
    terms: dict[str, Any] = {
        "broker_order_id": "251013000481205",
        "status": Status.OPEN,
        "symbol": "NSE:SBIN",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "validity": Validity.DAY,
        "variety": Variety.REGULAR,
        "price": Decimal("812.5"),
    }
    return BrokerOrder(**(terms | more))


def sample(name: str, **headers: str) -> HttpResponse:
    return HttpResponse(200, tuple(headers.items()), (SAMPLES / name).read_bytes())


def success(data: Any) -> HttpResponse:
    envelope = {"status": True, "message": "SUCCESS", "errorcode": "", "data": data}
    return HttpResponse(200, (), json.dumps(envelope).encode())


def said(**envelope: Any) -> HttpResponse:
    return HttpResponse(200, (), json.dumps(envelope).encode())
