"""What an order must be to be taken: pure checks of terms against an instrument and the price of the moment."""

from decimal import Decimal

from msgspec import Struct

from ordod.adapter import Fault
from ordod.domain.gtt import GttLeg
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.orders import NewOrder, OrderTerms, OrderType, Product, Side, Validity, Variety
from ordod.paper.hours import day_number, day_of
from ordod.paper.market import to_paise
from ordod.paper.matching import Book
from ordod.paper.orders import rupees_of

__all__ = ["PRODUCTS", "Entry", "Refusal", "entry", "has_ended", "on_tick", "outside", "released"]

PROTECTION = Decimal(
    3
)  # percent; how far from the last price a market order goes where it does not say
ICEBERG_LEGS = range(2, 51)
PRODUCTS = {
    InstrumentKind.EQUITY: frozenset({Product.CNC, Product.MIS}),
    **dict.fromkeys(
        (InstrumentKind.FUTURE, InstrumentKind.CALL, InstrumentKind.PUT),
        frozenset({Product.NRML, Product.MIS}),
    ),
}


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """The exchange did not take it: nothing was changed."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message

    @classmethod
    def unknown(cls, message: str) -> "Refusal":
        """Nothing of that name is here."""
        return cls(Fault.NOT_FOUND, message)

    @classmethod
    def too_late(cls, message: str) -> "Refusal":
        """It is not alive any more."""
        return cls(Fault.ORDER_REJECTED, message)


class Entry(Struct, frozen=True):
    """How an order goes in, paise: the worst price it may trade at, what a unit ties up, what it shows at a time."""

    limit: int
    blocked: int
    leg_size: int


def entry(book: Book, terms: OrderTerms, step: int) -> Entry:
    """How an order goes in. Raises Refusal where it cannot be one of this instrument's."""
    instrument, lot = book.instrument, book.instrument.lot_size
    allowed = PRODUCTS.get(instrument.kind)
    if allowed is None or lot is None:
        raise Refusal(Fault.INVALID_INPUT, f"{instrument.symbol} cannot be traded")
    if terms.product not in allowed:
        raise Refusal(
            Fault.INVALID_INPUT,
            f"{instrument.symbol} takes {' '.join(sorted(allowed))}, not {terms.product}",
        )
    if has_ended(instrument, day_of(step)):
        raise Refusal(Fault.INVALID_INPUT, f"{instrument.symbol} ended on {instrument.expiry}")
    if terms.quantity <= 0 or terms.quantity % lot:
        raise Refusal(
            Fault.INVALID_INPUT, f"quantity {terms.quantity} is no multiple of the lot of {lot}"
        )
    if not 0 <= (terms.disclosed_quantity or 0) <= terms.quantity:
        raise Refusal(Fault.INVALID_INPUT, "disclosed_quantity is above the quantity")
    leg_size = _leg_size(terms, lot)
    freeze = instrument.freeze_quantity
    if freeze is not None and leg_size > freeze:
        raise Refusal(
            Fault.INVALID_INPUT, f"quantity {leg_size} is above the freeze quantity {freeze}"
        )
    if terms.validity is Validity.TTL and not (terms.validity_minutes or 0) > 0:
        raise Refusal(Fault.INVALID_INPUT, "validity TTL needs validity_minutes above 0")
    return Entry(*_prices(book, terms, step), leg_size)


def _leg_size(terms: OrderTerms, lot: int) -> int:
    """What the order shows at a time, units."""
    if terms.variety is Variety.CO:
        raise Refusal(Fault.UNSUPPORTED, "there are no cover orders here")
    if terms.variety is not Variety.ICEBERG:
        return terms.quantity
    lots = terms.quantity // lot
    legs = terms.iceberg_legs
    if legs is None or legs not in ICEBERG_LEGS or legs > lots:
        raise Refusal(Fault.INVALID_INPUT, "an iceberg has 2 to 50 legs of at least one lot each")
    return -(-lots // legs) * lot


def _prices(book: Book, terms: OrderTerms, step: int) -> tuple[int, int]:
    """The worst price it may trade at and what a unit ties up, paise."""
    kind = terms.type
    if (terms.price is None) is (kind in (OrderType.LIMIT, OrderType.SL)):
        raise Refusal(Fault.INVALID_INPUT, "LIMIT and SL have a price, MARKET and SL-M have none")
    if (terms.trigger_price is None) is (kind in (OrderType.SL, OrderType.SL_M)):
        raise Refusal(
            Fault.INVALID_INPUT, "SL and SL-M have a trigger_price, MARKET and LIMIT have none"
        )
    buy = terms.side is Side.BUY
    trigger = None
    if terms.trigger_price is not None:
        trigger = on_tick(book, terms.trigger_price, "trigger_price")
    if terms.price is not None:
        price = on_tick(book, terms.price, "price")
        if trigger is not None and (price < trigger if buy else price > trigger):
            raise Refusal(
                Fault.INVALID_INPUT,
                "the price of an SL lies beyond its trigger, or could never trade",
            )
        return price, price
    start = trigger if trigger is not None else book.walk.price(step)
    limit = _protected(book, start, terms.market_protection, buy=buy, day=day_of(step))
    return limit, limit if buy else start


def _protected(book: Book, start: int, percent: Decimal | None, *, buy: bool, day: int) -> int:
    """Where market protection ends: so many percent from the start, on the tick, within the circuit limits."""
    _, low, high, _ = book.walk.band(day)
    tick = book.walk.tick
    if percent is None or percent <= 0:
        percent = PROTECTION
    width = max(int(start * percent) // 100, tick)  # the market maker asks a tick more
    if buy:
        return min((start + width) // tick * tick, high)
    return max(-((width - start) // tick) * tick, low)


def on_tick(book: Book, price: Decimal, name: str) -> int:
    paise = to_paise(price)
    if paise <= 0 or paise % book.walk.tick or paise != price * 100:
        raise Refusal(
            Fault.INVALID_INPUT,
            f"{name} {price} is no multiple of the tick {book.instrument.tick_size}",
        )
    return paise


def has_ended(instrument: Instrument, day: int) -> bool:
    return instrument.expiry is not None and day_number(instrument.expiry) < day


def outside(book: Book, step: int) -> str:
    _, low, high, _ = book.walk.band(day_of(step))
    return f"the price is outside the circuit limits {rupees_of(low)} to {rupees_of(high)}"


def released(symbol: str, leg: GttLeg) -> NewOrder:
    """The order that a leg of a GTT places."""
    return NewOrder(
        symbol=symbol,
        side=leg.side,
        quantity=leg.quantity,
        type=leg.type,
        product=leg.product,
        price=leg.price if leg.type is OrderType.LIMIT else None,
        tag=None,
    )
