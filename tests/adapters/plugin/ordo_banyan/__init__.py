"""Banyan, an invented broker: what a plugin looks like. It imports the contract and nothing else of Ordo."""

from datetime import time
from typing import TypeVar

import msgspec
from msgspec import Struct

from ordod.adapter import (
    BASE32,
    Adapter,
    BrokerError,
    BrokerOrder,
    BrokerSpec,
    Codes,
    Dialogue,
    Fault,
    Faults,
    HttpRequest,
    HttpResponse,
    Instrument,
    Instruments,
    NewOrder,
    OrderType,
    Placed,
    Rows,
    Session,
    Side,
    Status,
    Tag,
    Window,
    canonical,
    read_rows,
)

__all__ = ["BANYAN", "SPEC", "Banyan"]

T = TypeVar("T")

SPEC = BrokerSpec(
    id="banyan",
    name="Banyan Securities",
    hosts={"rest": "https://api.banyan.example/v2"},
    tag=Tag(length=16, alphabet=BASE32),
    book_day=time(6, 0),
    windows=(Window("orders", count=9, seconds=1),),
)
SIDE = Codes("side", {Side.BUY: "B", Side.SELL: "S"})
TYPE = Codes("type", {OrderType.LIMIT: "L"})
STATUS = Codes("status", {Status.OPEN: "working", Status.FILLED: "done", Status.CANCELLED: "cxl"})
FAULTS = Faults(
    (400, "E77", "timed out", Fault.AMBIGUOUS, ""),
    (400, "E77", "quantity", Fault.INVALID_INPUT, "invented"),
    (403, "E01", "", Fault.AUTH_EXPIRED, "invented"),
)


class PlacedAnswer(Struct):
    order_no: str


class OrderRow(Struct):
    order_no: str
    symbol: str
    side: str
    st: str
    qty: int
    ref: str = ""


class Refusal(Struct):
    code: str
    text: str


class Banyan(Adapter):
    spec = SPEC

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        form = {
            "scrip": instrument.broker_symbol,
            "side": SIDE.write(order.side),
            "kind": TYPE.write(order.type),
            "qty": str(order.quantity),
            "px": canonical(order.price) if order.price else "0",
            "ref": order.tag or "",
        }
        response = yield HttpRequest(
            "POST", "rest", "/orders", "orders.place", form=form, writes=True
        )
        answer = _read(response, PlacedAnswer)
        if not answer.order_no:
            raise BrokerError(Fault.UNREADABLE, "a success without an id")
        return Placed(answer.order_no)

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        response = yield HttpRequest("GET", "rest", "/orders", "orders")
        return read_rows(_read(response, list[msgspec.Raw]), OrderRow, _order, last)


def _order(row: OrderRow) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=row.order_no,
        status=STATUS.read(row.st),
        symbol=f"NSE:{row.symbol}",
        side=SIDE.read(row.side),
        quantity=row.qty,
        type=OrderType.LIMIT,
        product=None,
        tags=(row.ref,),
    )


def _read(response: HttpResponse, shape: type[T]) -> T:
    if response.status == 200:
        return _decoded(response.body, shape)
    refusal = _decoded(response.body, Refusal)
    raise FAULTS.error(response.status, refusal.code, refusal.text)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BrokerError(Fault.UNREADABLE, "an answer that cannot be read") from None


BANYAN = Banyan()
