"""Dhan's live order update (dhan.md 9.3): alerts, in JSON, under other names and words than in the order book.

Its documents write names in one case and the socket in another, so they are read in any.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ordo_adapters.dhan.rows import OrderRow, read_order
from ordo_adapters.dhan.tables import (
    ALERT_PRODUCT,
    ALERT_SEGMENT,
    ALERT_SIDE,
    ALERT_TYPE,
)
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    Fault,
    Frame,
    Instruments,
    Pushed,
    Session,
    UpdateStream,
    from_json,
    shaped,
)

__all__ = ["OrderAlerts"]

ALERT, LOGIN = "order_alert", 42
ENTRY_LEGS = ("", "0", "1")  # the others are a super order's, and have its order's number
NAMES = {  # an alert's, in small letters -> the book's
    "orderno": "orderId",
    "securityid": "securityId",
    "quantity": "quantity",
    "tradedqty": "filledQty",
    "validity": "validity",
    "symbol": "tradingSymbol",
    "correlationid": "correlationId",
    "price": "price",
    "triggerprice": "triggerPrice",
    "avgtradedprice": "averageTradedPrice",
    "discquantity": "disclosedQuantity",
    "exchorderno": "exchangeOrderId",
    "orderdatetime": "createTime",
    "lastupdatedtime": "updateTime",
    "reasondescription": "omsErrorDescription",
}

_JSON = msgspec.json.Encoder()


class OrderAlerts(UpdateStream):
    """The codec of the connection that brings orders."""

    def __init__(self, session: Session, instruments: Instruments) -> None:
        self._session = session
        self._instruments = instruments

    def greet(self) -> Iterable[Frame]:
        login = {
            "MsgCode": LOGIN,
            "ClientId": self._session.user_id,
            "Token": self._session.access_token.reveal(),
        }
        yield _JSON.encode({"LoginReq": login, "UserType": "SELF"}).decode()

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """Messages of another kind are left alone."""
        content = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        match from_json(content):
            case {"Type": "order_alert", "Data": row}:
                return (self._read_order(row),)
            case dict():
                return ()
            case _:
                raise BrokerError(Fault.UNREADABLE, "an update of no kind")

    def _read_order(self, row: Any) -> BrokerOrder | BadRow:
        try:
            return read_order(shaped(_as_in_book(row), OrderRow), self._instruments)
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), row)


def _as_in_book(row: Any) -> Mapping[str, Any]:
    """Raises BrokerError: UNREADABLE."""
    if not isinstance(row, dict):
        raise BrokerError(Fault.UNREADABLE, "an alert without an order")
    told = {str(name).lower(): value for name, value in row.items()}
    if str(told.get("legno", "")) not in ENTRY_LEGS:
        raise BrokerError(Fault.UNREADABLE, "a leg of a super order")
    if told.get("status") != "Rejected":
        told.pop("reasondescription", None)  # CONFIRMED, and the like
    where = (str(told.get("exchange")), str(told.get("segment")))
    return {NAMES[name]: value for name, value in told.items() if name in NAMES} | {
        "orderStatus": str(told.get("status")).upper().replace("-", "_").replace(" ", "_"),
        "transactionType": _word(ALERT_SIDE, told.get("txntype"), "side"),
        "exchangeSegment": _word(ALERT_SEGMENT, where, "segment"),
        "productType": _word(ALERT_PRODUCT, told.get("product"), "product"),
        "orderType": _word(ALERT_TYPE, told.get("ordertype"), "type"),
        "afterMarketOrder": str(told.get("offmktflag")) == "1",
    }


def _word(words: Mapping[Any, str], theirs: Any, what: str) -> str:
    try:
        return words[theirs]
    except (KeyError, TypeError):
        raise BrokerError(Fault.UNREADABLE, f"unknown {what} {theirs!r}") from None
