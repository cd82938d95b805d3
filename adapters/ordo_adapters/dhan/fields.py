"""The fields of an order as Dhan wants them: its contract, its prices, and the limit that protects it."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from ordo_adapters.dhan.tables import AUTOMATIC_PROTECTION, INDEX_UNDERLYINGS, INSTRUMENT, TYPE
from ordod.adapter import (
    BrokerError,
    Fault,
    Instrument,
    InstrumentKind,
    OrderChanges,
    OrderTerms,
    OrderType,
    Side,
)

__all__ = ["ZERO", "beyond", "chart_word", "check_stop", "named", "priced", "units_of"]

ZERO = Decimal(0)
STOPS = frozenset({OrderType.SL, OrderType.SL_M})


def named(instrument: Instrument) -> dict[str, str]:
    segment, _, security_id = instrument.instrument_token.partition(":")
    return {"exchangeSegment": segment, "securityId": security_id}


def units_of(quantity: int, instrument: Instrument) -> int:
    if instrument.lot_size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: Dhan's file and the exchange's contract sizes do not agree on its lot, so no order is made of it",
        )
    return quantity


def priced(terms: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    """Type and prices, 0 for none. An SL-M is a stop with a limit (`beyond`)."""
    kind, price = terms.type, terms.price
    if kind is OrderType.SL_M:
        kind, price = OrderType.SL, beyond(terms.trigger_price, terms, instrument)
    return {
        "orderType": TYPE.write(kind),
        "price": price if price and kind is not OrderType.MARKET else ZERO,
        "triggerPrice": terms.trigger_price if terms.trigger_price and kind in STOPS else ZERO,
    }


def beyond(start: Decimal | None, terms: OrderTerms, instrument: Instrument) -> Decimal:
    """The limit of a protected order: `market_protection` percent beyond where it starts, 5 where none is named.

    On the tick, at least one tick beyond the start and never through a circuit limit that the master tells: a price that the
    market cannot reach is no protection, and Dhan refuses it (dhan.md 13).
    """
    if start is None:
        raise BrokerError(Fault.INVALID_INPUT, "SL-M needs a trigger_price")
    tick = instrument.tick_size
    percent = AUTOMATIC_PROTECTION if terms.market_protection is None else terms.market_protection
    width = start * percent / 100
    if terms.side is Side.BUY:
        far = ((start + width) / tick).to_integral_value(ROUND_FLOOR) * tick
        return min(max(far, start + tick), instrument.upper_circuit or far + tick)
    far = ((start - width) / tick).to_integral_value(ROUND_CEILING) * tick
    return max(min(far, start - tick), instrument.lower_circuit or tick)


def check_stop(terms: OrderTerms, changes: OrderChanges) -> None:
    """A stop whose trigger passes its limit could never trade; whether the limit was a person's or ours, its row does not tell."""
    price, trigger = terms.price, terms.trigger_price
    if terms.type is not OrderType.SL or changes.price is not None or not (price and trigger):
        return
    if price < trigger if terms.side is Side.BUY else price > trigger:
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"the trigger {trigger} passes the order's limit {price}: name a price too, or type SL-M to have it set anew",
        )


def chart_word(instrument: Instrument) -> str:
    """What charts call it: a word of exchange, kind and, for NFO and BFO, underlying (dhan.md 7)."""
    kind = instrument.kind
    if kind in {InstrumentKind.EQUITY, InstrumentKind.INDEX}:
        return "INDEX" if kind is InstrumentKind.INDEX else "EQUITY"
    on = "IDX" if instrument.name in INDEX_UNDERLYINGS else "STK"
    future, option = INSTRUMENT.get(instrument.exchange, (f"FUT{on}", f"OPT{on}"))
    return future if kind is InstrumentKind.FUTURE else option
