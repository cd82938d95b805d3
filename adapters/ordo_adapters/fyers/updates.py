"""FYERS' order websocket (fyers.md 9.2): orders and trades, in JSON, under other names than in the books."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ordo_adapters.fyers.rows import OrderRow, TradeRow, read_order, read_trade
from ordo_adapters.fyers.tables import DEAD_SESSION
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    Fault,
    Fill,
    Frame,
    Instruments,
    Notice,
    Pushed,
    UpdateStream,
    from_json,
    masked,
    shaped,
)

__all__ = ["ORDER_NAMES", "TRADE_NAMES", "OrderUpdates"]

# Names on the order socket -> in the books (9.2)
_BOTH = {
    "id_exchange": "exchOrdId",
    "product_type": "productType",
    "tran_side": "side",
    "exchange": "exchange",
    "segment": "segment",
    "symbol": "symbol",
}
ORDER_NAMES = _BOTH | {
    "id": "id",
    "id_parent": "parentId",
    "qty": "qty",
    "qty_filled": "filledQty",
    "price_limit": "limitPrice",
    "price_stop": "stopPrice",
    "price_traded": "tradedPrice",
    "ord_type": "type",
    "oms_msg": "message",
    "offline_flag": "offlineOrder",
    "time_oms": "orderDateTime",
    "validity": "orderValidity",
    "org_ord_status": "status",
    "ordertag": "orderTag",
}
TRADE_NAMES = _BOTH | {
    "id_exchange": "exchangeOrderNo",
    "id": "orderNumber",
    "id_fill": "tradeNumber",
    "qty_traded": "tradedQty",
    "price_traded": "tradePrice",
    "fill_time": "orderDateTime",
}

_JSON = msgspec.json.Encoder()


class OrderUpdates(UpdateStream):
    """The codec of the connection that brings orders and trades (9.2)."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def greet(self) -> Iterable[Frame]:
        said = {"T": "SUB_ORD", "SLIST": ["orders", "trades"], "SUB_T": 1}
        yield _JSON.encode(said).decode()

    def keep_alive(self) -> Frame:
        return "ping"

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """What was not asked for is left alone where it comes."""
        content = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        if content == b"pong":
            return ()
        match from_json(content):
            case {"orders": row}:
                return (self._read_order(row),)
            case {"trades": row}:
                return (self._read_trade(row),)
            case {"s": "error", **said}:
                return (_refusal(said),)
            case dict():
                return ()
            case _:
                raise BrokerError(Fault.UNREADABLE, "an update of no kind")

    def _read_order(self, row: Any) -> BrokerOrder | BadRow:
        try:
            return read_order(shaped(_renamed(row, ORDER_NAMES), OrderRow), self._instruments)
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), row)

    def _read_trade(self, row: Any) -> Fill | BadRow:
        try:
            return read_trade(shaped(_renamed(row, TRADE_NAMES), TradeRow), self._instruments)
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), row)


def _refusal(said: Mapping[Any, Any]) -> Notice:
    """Raises BrokerError: AUTH_EXPIRED."""
    words, code = masked(str(said.get("message", "")))[:500], str(said.get("code", ""))
    if code in DEAD_SESSION:
        raise BrokerError(Fault.AUTH_EXPIRED, words, code=code)
    return Notice(f"{words} ({code})", is_error=True)


def _renamed(row: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """A row as the books have it. A tag without a mark before it is one of ours."""
    if not isinstance(row, dict):
        raise BrokerError(Fault.UNREADABLE, "an update without a row")
    told = {names[name]: value for name, value in row.items() if name in names}
    tag = told.get("orderTag")
    return (
        told | {"orderTag": f"1:{tag}"} if isinstance(tag, str) and tag and ":" not in tag else told
    )
