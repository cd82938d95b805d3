"""Noren's answers, field for field as far as they are read, and what they are in our words. All values are texts."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct

from ordo_adapters.noren.tables import (
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    PRODUCT,
    SIDE,
    STATUS,
    TYPE,
    VALIDITY,
)
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    Candle,
    Depth,
    Exchange,
    Fault,
    Faults,
    Fill,
    Funds,
    GttLeg,
    GttStatus,
    Holding,
    HttpResponse,
    Instrument,
    Instruments,
    Level,
    Position,
    Product,
    Quote,
    Rows,
    Status,
    Variety,
    amount,
    decimal,
    from_json,
    identifier,
    ist_datetime,
    masked,
    read_rows,
    shaped,
    units,
)

__all__ = [
    "DayCandleRow",
    "GttRow",
    "HoldingRow",
    "IntradayRow",
    "LimitsRow",
    "OrderRow",
    "PositionRow",
    "QuoteRow",
    "TradeRow",
    "answered",
    "listed",
    "read_candle",
    "read_day_candle",
    "read_funds",
    "read_gtt",
    "read_holding",
    "read_list",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
]

T = TypeVar("T")
U = TypeVar("U")

IN_CONTRACTS = frozenset({Exchange.MCX, Exchange.CDS})
TIMES = ("%H:%M:%S %d-%m-%Y", "%d-%m-%Y %H:%M:%S")  # noren.md 5: some fields come either way
UNSET = 1980  # the year of a time that is none


# The envelope (noren.md 3): an object that says Ok, a bare list, or an object that says why not


def answered(
    response: HttpResponse, faults: Faults = FAULTS, *, yes: Callable[[str], bool] | None = None
) -> dict[str, Any]:
    """The object of a success; of a list with one object in it, that. `yes`: what `stat` says then, "ok" where none is given.

    Raises:
        BrokerError: what `faults` says of a refusal; UNREADABLE and never sure where the answer is no envelope.
    """
    said = from_json(response.body)
    if isinstance(said, list) and len(said) == 1:
        said = said[0]  # flattrade's GTT (4)
    match said:
        case {"stat": str(stat)} | {"status": str(stat)} if response.status == 200 and (
            yes(stat.lower()) if yes else stat.lower() == "ok"
        ):
            return dict(said)
        case {"emsg": str(words)} if words:
            error = faults.error(response.status, "", masked(words))
            error.sure = (
                error.sure and "norenordno" not in said
            )  # the book has it, and says how it stands
            raise error
        case _:
            row = faults.find(response.status, "", "") if response.status != 200 else None
            raise BrokerError(
                row.fault if row else Fault.UNREADABLE,
                f"HTTP {response.status} without Noren's envelope ({len(response.body)} bytes)",
            )


def listed(response: HttpResponse, *, rows: str | None = None) -> list[Any]:
    """A list; "no data" is an empty one, and the only refusal that is."""
    said = from_json(response.body, rows=rows)
    if isinstance(said, list) and response.status == 200:
        return said
    try:
        answered(response)
    except BrokerError as error:
        if error.fault is Fault.NOT_FOUND and "no data" in error.message.lower():
            return []
        raise
    raise BrokerError(Fault.UNREADABLE, "a success without a list")


def read_list(
    response: HttpResponse, shape: type[U], convert: Callable[[U], T], last: Rows[T] | None = None
) -> Rows[T]:
    return read_rows(listed(response, rows=""), shape, convert, last)


# Orders and trades (noren.md 5)


class Contracted(Struct):
    exch: str
    tsym: str


class OrderRow(Contracted):
    """One row of `OrderBook` and `SingleOrdHist`; what does not apply yet is absent."""

    norenordno: str
    status: str
    trantype: str
    qty: Decimal
    prctyp: str
    prd: str
    ret: str
    prc: Decimal | None = None
    trgprc: Decimal | None = None
    dscqty: Decimal = Decimal(0)
    fillshares: Decimal = Decimal(0)
    avgprc: Decimal | None = None
    amo: str = ""
    remarks: str = ""
    rejreason: str = ""
    exchordid: str = ""
    snonum: str = ""
    norentm: str = ""
    exch_tm: str = ""


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    quantity, filled = units(row.qty), units(row.fillshares)
    status = STATUS.read(row.status.upper().replace("_", " "))
    is_foreign = row.prd in FOREIGN_PRODUCTS
    variety = Variety.AMO if row.amo.lower() == "yes" else Variety.REGULAR
    return BrokerOrder(
        broker_order_id=identifier(row.norenordno),
        status=Status.PARTIALLY_FILLED
        if status is Status.OPEN and 0 < filled < quantity
        else status,
        symbol=_symbol(row, instruments),
        side=SIDE.read(row.trantype),
        quantity=quantity,
        type=TYPE.read(row.prctyp),
        product=_product(row.prd),
        validity=None if row.ret == "EOS" else VALIDITY.read(row.ret),
        variety=None if is_foreign else variety,
        price=amount(row.prc),
        trigger_price=amount(row.trgprc),
        disclosed_quantity=units(row.dscqty) or None,
        filled_quantity=filled,
        average_price=amount(row.avgprc),
        status_message=row.rejreason or None,
        exchange_order_id=row.exchordid or None,
        parent_order_id=row.snonum or None,
        tags=(row.remarks,) if row.remarks else (),
        placed_at=_time(row.norentm),
        updated_at=_time(row.exch_tm),
    )


class TradeRow(Contracted):
    """One row of `TradeBook`."""

    norenordno: str
    flid: str
    trantype: str
    prd: str
    flqty: Decimal
    flprc: Decimal
    fltm: str
    exchordid: str = ""


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    at = _time(row.fltm)
    if at is None:
        raise BrokerError(Fault.UNREADABLE, "a fill without a time")
    return Fill(
        trade_id=identifier(row.flid),
        broker_order_id=identifier(row.norenordno),
        symbol=_symbol(row, instruments),
        side=SIDE.read(row.trantype),
        quantity=units(row.flqty),
        price=decimal(row.flprc),
        product=_product(row.prd),
        at=at,
        exchange_order_id=row.exchordid or None,
    )


# GTT (noren.md 4)


class Trigger(Struct):
    d: Decimal


class LegRow(Struct):
    trantype: str
    prctyp: str
    prd: str
    qty: Decimal
    prc: Decimal


class GttRow(Contracted):
    """One row of `GetPendingGTTOrder`: one trigger's order stands in the row, two have each its own object."""

    al_id: str
    ai_t: str
    d: Decimal | None = None
    trantype: str = ""
    prctyp: str = ""
    prd: str = ""
    qty: Decimal = Decimal(0)
    prc: Decimal = Decimal(0)
    oivariable: list[Trigger] = []
    place_order_params: LegRow | None = None
    place_order_params_leg2: LegRow | None = None


def read_gtt(row: GttRow, instruments: Instruments) -> BrokerGtt:
    """What stands in that list waits still."""
    if row.place_order_params_leg2 is not None and row.place_order_params is not None:
        legs = [row.place_order_params, row.place_order_params_leg2]
        triggers = [one.d for one in row.oivariable]
    else:
        legs = [LegRow(row.trantype, row.prctyp, row.prd, row.qty, row.prc)]
        triggers = [row.d] if row.d is not None else []
    pairs = sorted(zip(triggers, legs, strict=True), key=lambda pair: pair[0])
    return BrokerGtt(
        broker_gtt_id=identifier(row.al_id),
        status=GttStatus.ACTIVE,
        symbol=_symbol(row, instruments),
        legs=tuple(
            GttLeg(
                trigger_price=decimal(trigger),
                side=SIDE.read(leg.trantype),
                quantity=units(leg.qty),
                price=decimal(leg.prc),
                type=TYPE.read(leg.prctyp),
                product=PRODUCT.read(leg.prd),
            )
            for trigger, leg in pairs
        ),
    )


# Portfolio (noren.md 6)


class PositionRow(Contracted):
    """One row of `PositionBook`."""

    prd: str
    netqty: Decimal  # signed
    netavgprc: Decimal | None = None
    daybuyqty: Decimal = Decimal(0)
    daysellqty: Decimal = Decimal(0)
    daybuyamt: Decimal = Decimal(0)
    daysellamt: Decimal = Decimal(0)
    cfbuyqty: Decimal = Decimal(0)
    cfsellqty: Decimal = Decimal(0)
    lp: Decimal | None = None
    rpnl: Decimal = Decimal(0)
    urmtom: Decimal = Decimal(0)


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    return Position(
        symbol=_symbol(row, instruments),
        product=_product(row.prd),
        quantity=units(row.netqty),
        overnight_quantity=units(row.cfbuyqty - row.cfsellqty),
        average_price=amount(row.netavgprc),
        last_price=amount(row.lp),
        pnl=decimal(row.rpnl + row.urmtom),
        realised=decimal(row.rpnl),
        unrealised=decimal(row.urmtom),
        buy_quantity=units(row.daybuyqty),
        buy_value=decimal(row.daybuyamt),
        sell_quantity=units(row.daysellqty),
        sell_value=decimal(row.daysellamt),
    )


class HoldingRow(Struct):
    """One row of `Holdings`; a quantity that is absent is none."""

    exch_tsym: list[Contracted]
    holdqty: Decimal = Decimal(0)
    dpqty: Decimal = Decimal(0)
    npoadqty: Decimal = Decimal(0)
    benqty: Decimal = Decimal(0)
    unplgdqty: Decimal = Decimal(0)
    brkcolqty: Decimal = Decimal(0)
    btstqty: Decimal = Decimal(0)
    usedqty: Decimal = Decimal(0)
    upldprc: Decimal | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    """NSE's name before BSE's: shares are the same whatever they are called."""
    named = sorted(row.exch_tsym, key=lambda one: one.exch != "NSE")
    if not named:
        raise BrokerError(Fault.UNREADABLE, "a holding of nothing")
    total = row.btstqty + row.holdqty + row.brkcolqty + row.unplgdqty + row.benqty
    total += max(row.npoadqty, row.dpqty) - row.usedqty
    return Holding(
        symbol=_symbol(named[0], instruments),
        isin=None,
        quantity=units(total),
        t1_quantity=units(row.btstqty),
        collateral_quantity=units(row.brkcolqty),
        used_quantity=units(row.usedqty),
        average_price=amount(row.upldprc),
    )


class LimitsRow(Struct):
    """`Limits`; what is absent is 0."""

    cash: Decimal
    payin: Decimal = Decimal(0)
    marginused: Decimal = Decimal(0)
    brkcollamt: Decimal = Decimal(0)


def read_funds(row: LimitsRow) -> Funds:
    return Funds(
        segment="all",
        available=decimal(row.cash + row.payin + row.brkcollamt - row.marginused),
        cash=decimal(row.cash),
        used=decimal(row.marginused),
        collateral=decimal(row.brkcollamt),
    )


# Market data (noren.md 7)


class QuoteRow(Struct):
    """`GetQuotes`, but for its levels: `bp1` to `sq5`."""

    lp: Decimal
    o: Decimal | None = None
    h: Decimal | None = None
    l: Decimal | None = None  # noqa: E741 - Noren's name
    c: Decimal | None = None  # the previous day's
    v: Decimal | None = None
    ap: Decimal | None = None
    oi: Decimal | None = None
    uc: Decimal | None = None
    lc: Decimal | None = None
    ti: Decimal | None = None


def read_quote(said: dict[str, Any], instrument: Instrument) -> Quote:
    row = shaped(said, QuoteRow)

    def levels(side: str) -> tuple[Level, ...]:
        found = (
            (said.get(f"{side}p{n}"), said.get(f"{side}q{n}"), said.get(f"{side}o{n}"))
            for n in range(1, 6)
        )
        return tuple(
            Level(decimal(price), units(quantity), units(orders) if orders else None)
            for price, quantity, orders in found
            if price and quantity and units(quantity)
        )

    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.lp),
        open_price=amount(row.o),
        high_price=amount(row.h),
        low_price=amount(row.l),
        close_price=amount(row.c),
        average_price=amount(row.ap),
        volume=None if row.v is None else units(row.v),
        oi=None if row.oi is None else units(row.oi),
        lower_circuit=amount(row.lc),
        upper_circuit=amount(row.uc),
        depth=Depth(levels("b"), levels("s")),
    )


class DayCandleRow(Struct):
    """One of `EODChartData`: `ssboe` is 00:00 UTC of its date."""

    ssboe: int
    into: Decimal
    inth: Decimal
    intl: Decimal
    intc: Decimal
    intv: Decimal


class IntradayRow(DayCandleRow):
    """One of `TPSeries`."""

    oi: Decimal | None = None


def read_candle(row: IntradayRow) -> Candle:
    at = datetime.fromtimestamp(row.ssboe, UTC).astimezone(IST)
    return _candle(row, at, None if row.oi is None else units(row.oi))


def read_day_candle(row: DayCandleRow) -> Candle:
    day = datetime.fromtimestamp(row.ssboe, UTC).date()
    return _candle(row, datetime.combine(day, time(), IST), None)


def _candle(row: DayCandleRow, at: datetime, oi: int | None) -> Candle:
    return Candle(
        at=at,
        open=decimal(row.into),
        high=decimal(row.inth),
        low=decimal(row.intl),
        close=decimal(row.intc),
        volume=units(row.intv),
        oi=oi,
    )


# Single fields


def _symbol(row: Contracted, instruments: Instruments) -> str:
    """Ordo's name. Of a commodity or currency whose size no table confirms nobody knows what a quantity of one is (14)."""
    exchange = EXCHANGE.read(row.exch)
    found = instruments.by_broker_symbol(exchange, row.tsym)
    if exchange in IN_CONTRACTS and (found is None or found.lot_size is None):
        raise BrokerError(
            Fault.UNREADABLE,
            f"{exchange}:{row.tsym}: no table confirms what a quantity of it counts",
        )
    return found.symbol if found else f"{exchange}:{row.tsym}"


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _time(text: str) -> datetime | None:
    """None: the field is absent or unset."""
    if not text:
        return None
    try:
        at = ist_datetime(text, TIMES[0])
    except BrokerError:
        at = ist_datetime(text, TIMES[1])
    return None if at.year <= UNSET else at
