"""Dhan's live order updates (dhan.md 9.3): JSON, under other names and words than in the order book.

The documentation spells names `OrderNo`, what comes spells them `orderNo`, and some come both ways; so they are read in any case.
A name told twice with two values is neither. One text may hold several updates, a line each. What is wrong in one makes it a bad
row, upon which the order book is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ordo_adapters.dhan.rows import OrderRow, read_order
from ordo_adapters.dhan.tables import ALERT_PRODUCT, ALERT_SEGMENT, ALERT_SIDE, ALERT_TYPE
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    Fault,
    Frame,
    Instruments,
    Notice,
    Pushed,
    Session,
    Status,
    UpdateStream,
    from_json,
    identifier,
    masked,
    shaped,
)

__all__ = ["OrderAlerts"]

LOGIN = 42
NO_LEG = frozenset({"", "0", "1"})  # of an order that is one, and of a super order's entry
REJECTED = "REJECTED"

# Names of updates, in lower case -> in the order book (9.3); those whose words differ stand in `_renamed`
NAMES = {
    "quantity": "quantity",
    "tradedqty": "filledQty",
    "validity": "validity",
    "symbol": "tradingSymbol",
    "correlationid": "correlationId",
    "price": "price",
    "triggerprice": "triggerPrice",
    "avgtradedprice": "averageTradedPrice",
    "discquantity": "disclosedQuantity",
    "orderdatetime": "createTime",
    "lastupdatedtime": "updateTime",
}
IDS = {"orderno": "orderId", "securityid": "securityId"}
WORDS = frozenset(
    {
        *("status", "txntype", "exchange", "segment", "product", "ordertype"),
        *("offmktflag", "legno", "exchorderno", "reasondescription"),
    }
)
READ = WORDS | NAMES.keys() | IDS.keys()

_JSON = msgspec.json.Encoder()


class OrderAlerts(UpdateStream):
    """The codec of one connection."""

    def __init__(self, session: Session, instruments: Instruments) -> None:
        self._session = session
        self._instruments = instruments

    def greet(self) -> Iterable[Frame]:
        who = {
            "MsgCode": LOGIN,
            "ClientId": self._session.user_id,
            "Token": self._session.access_token.reveal(),
        }
        yield _JSON.encode({"LoginReq": who, "UserType": "SELF"}).decode()

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """What is no update is told as Dhan's words: how a login is answered is not documented."""
        content = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        whole = from_json(content)
        if whole is not None:
            return (self._read(whole),)
        return [self._read(from_json(line)) for line in content.splitlines() if line]

    def _read(self, value: Any) -> Pushed:
        match value:
            case {"Type": "order_alert", "Data": dict(data)}:
                return self._read_order(data)
            case {"Type": "order_alert"} | None:
                return BadRow("an update that cannot be read", value)
            case _:
                return Notice(masked(str(value))[:500])

    def _read_order(self, data: dict[Any, Any]) -> BrokerOrder | BadRow:
        try:
            return _checked(read_order(shaped(_renamed(data), OrderRow), self._instruments))
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), data)


def _checked(order: BrokerOrder) -> BrokerOrder:
    """Raises BrokerError: UNREADABLE, where quantities and status contradict each other."""
    is_full = order.filled_quantity == order.quantity
    if order.filled_quantity > order.quantity or is_full is not (order.status is Status.FILLED):
        raise BrokerError(
            Fault.UNREADABLE,
            f"{order.status}, with {order.filled_quantity} of {order.quantity} filled",
        )
    return order


def _renamed(data: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as the order book has it. Raises BrokerError: UNREADABLE."""
    told = _in_lower_case(data)
    leg = _text(told, "legno")
    if leg not in NO_LEG:
        raise BrokerError(Fault.UNREADABLE, f"leg {leg} of a super order")
    status = _text(told, "status").upper().replace(" ", "_").replace("-", "_")
    return {
        **{theirs: told[name] for name, theirs in NAMES.items() if name in told},
        **{theirs: identifier(_text(told, name)) for name, theirs in IDS.items()},
        "exchangeOrderId": _text(told, "exchorderno"),
        "orderStatus": status,
        "transactionType": _word(told, "txntype", ALERT_SIDE),
        "exchangeSegment": _segment(told),
        "productType": _word(told, "product", ALERT_PRODUCT),
        "orderType": _word(told, "ordertype", ALERT_TYPE),
        "afterMarketOrder": _text(told, "offmktflag") == "1",
        "omsErrorDescription": _text(told, "reasondescription") if status == REJECTED else None,
    }


def _in_lower_case(data: Mapping[Any, Any]) -> dict[str, Any]:
    """What is told under each name; an empty value beside another is none."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        low = str(name).lower()
        before = found.get(low)
        if before in (None, "") or before == value:
            found[low] = value
        elif value not in (None, "") and low in READ:
            raise BrokerError(Fault.UNREADABLE, f"{name} is told twice: {before!r} and {value!r}")
    return found


def _segment(told: Mapping[str, Any]) -> str:
    pair = _text(told, "exchange"), _text(told, "segment")
    if pair not in ALERT_SEGMENT:
        raise BrokerError(Fault.UNREADABLE, f"unknown exchange and segment {pair}")
    return ALERT_SEGMENT[pair]


def _word(told: Mapping[str, Any], name: str, words: Mapping[str, str]) -> str:
    theirs = _text(told, name)
    if theirs not in words:
        raise BrokerError(Fault.UNREADABLE, f"unknown {name} {theirs!r}")
    return words[theirs]


def _text(told: Mapping[str, Any], name: str) -> str:
    """A text, or a whole number as one; "" where there is none."""
    value = told.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise BrokerError(Fault.UNREADABLE, f"{name} is no text: {value!r}")
    return str(value)
