"""Angel One's order socket (angelone.md 9.2): rows of the order book, each in an envelope of its own."""

from collections.abc import Sequence
from typing import Any

from ordo_adapters.angelone.rows import OrderRow, read_order
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    Fault,
    Frame,
    Instruments,
    Notice,
    Pushed,
    UpdateStream,
    from_json,
    masked,
    shaped,
)

__all__ = ["OrderUpdates"]

OKAY = ("200", 200)
DEAD = ("401", 401, "403", 403)


class OrderUpdates(UpdateStream):
    """The codec of the connection that brings orders. Nothing is said on it."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """The first frame has no order; of another the row counts, not the envelope's code."""
        content = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
        match from_json(content):
            case {"status-code": code, "orderData": row} if code in OKAY:
                return (self._read_order(row),) if _is_order(row) else ()
            case {"status-code": code, **said}:
                raise _refusal(code, said)
            case {"errorMessage": message}:
                return (Notice(masked(str(message))[:500], is_error=True),)
            case _:
                raise BrokerError(Fault.UNREADABLE, "an update of no kind")

    def _read_order(self, row: Any) -> BrokerOrder | BadRow:
        """`orderstatus` is the order's; `status` may be that of the message."""
        try:
            told = row | {"status": row.get("orderstatus") or row.get("status")}
            return read_order(shaped(told, OrderRow), self._instruments)
        except (BrokerError, ValueError, ArithmeticError, TypeError, AttributeError) as error:
            return BadRow(str(error), row)


def _is_order(row: Any) -> bool:
    return not isinstance(row, dict) or bool(row.get("orderid"))


def _refusal(code: Any, said: dict[Any, Any]) -> BrokerError:
    words = masked(str(said.get("error-message", "")))[:500]
    fault = Fault.AUTH_EXPIRED if code in DEAD else Fault.BROKER_UNAVAILABLE
    return BrokerError(fault, f"{words} ({code})", code=str(code))
