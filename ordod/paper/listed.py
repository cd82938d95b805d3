"""What is listed: shares, indices, futures, commodities, and options on the indices and some of the shares."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.paper.market import Listing
from ordod.paper.options import Chain, chain_listings

__all__ = ["listings"]

SHARES: tuple[
    tuple[str, str, bool], ...
] = (  # name, price, on BSE too; prices are plausible, not of any day
    ("RELIANCE", "1420", True),
    ("TCS", "3120", True),
    ("HDFCBANK", "985", True),
    ("ICICIBANK", "1385", True),
    ("INFY", "1450", True),
    ("SBIN", "865", True),
    ("ITC", "405", True),
    ("BHARTIARTL", "2010", True),
    ("HINDUNILVR", "2480", False),
    ("LT", "3820", False),
    ("AXISBANK", "1210", False),
    ("KOTAKBANK", "2105", False),
    ("BAJFINANCE", "1035", False),
    ("MARUTI", "15600", False),
    ("SUNPHARMA", "1690", False),
    ("TITAN", "3740", False),
    ("ASIANPAINT", "2515", False),
    ("ULTRACEMCO", "12050", False),
    ("WIPRO", "242", False),
    ("HCLTECH", "1545", False),
    ("NTPC", "335", False),
    ("POWERGRID", "285", False),
    ("ONGC", "248", False),
    ("COALINDIA", "390", False),
    ("TATASTEEL", "172", True),
    ("JSWSTEEL", "1160", False),
    ("HINDALCO", "760", False),
    ("M&M", "3540", False),
    ("BAJAJ-AUTO", "8950", False),
    ("NESTLEIND", "1225", False),
    ("IDEA", "9.5", True),
    ("YESBANK", "22.4", False),
)
INDICES: tuple[tuple[Exchange, str, str], ...] = (
    (Exchange.NSE_INDEX, "NIFTY", "25000"),
    (Exchange.NSE_INDEX, "BANKNIFTY", "56000"),
    (Exchange.NSE_INDEX, "FINNIFTY", "26500"),
    (Exchange.NSE_INDEX, "INDIAVIX", "12.5"),
    (Exchange.BSE_INDEX, "SENSEX", "82000"),
)
FUTURES: tuple[tuple[str, str, str, int, int], ...] = (  # name, price, tick, lot, freeze: units
    ("NIFTY", "25000", "0.1", 65, 1_800),
    ("BANKNIFTY", "56000", "0.2", 30, 600),
    ("RELIANCE", "1420", "0.1", 500, 50_000),
    ("INFY", "1450", "0.1", 400, 40_000),
    ("SBIN", "865", "0.05", 750, 60_000),
    ("TATASTEEL", "172", "0.01", 5_500, 200_000),
)
COMMODITIES: tuple[tuple[str, str, str, int, int, int], ...] = (
    # name, price, tick, lot in units of the quotation, freeze, day of the month it expires at the latest
    ("CRUDEOIL", "5800", "1", 100, 10_000, 19),
    ("GOLDM", "122000", "1", 10, 1_000, 5),
    ("SILVERM", "152000", "1", 5, 300, 28),
    ("NATURALGAS", "310", "0.1", 1_250, 60_000, 26),
    ("COPPER", "985", "0.05", 2_500, 70_000, 28),
)
# Name, price, lot, freeze, strikes' steps of weekly and of monthly chains, their reach; weekly ones where there are two steps.
OPTIONS: tuple[tuple[str, str, int, int, tuple[str, ...], str], ...] = (
    ("NIFTY", "25000", 65, 1_800, ("50", "100"), "0.1"),
    ("BANKNIFTY", "56000", 30, 600, ("200",), "0.1"),
    ("FINNIFTY", "26500", 60, 1_200, ("100",), "0.1"),
    ("RELIANCE", "1420", 500, 50_000, ("20",), "0.16"),
    ("INFY", "1450", 400, 40_000, ("20",), "0.16"),
    ("SBIN", "865", 750, 60_000, ("10",), "0.16"),
    ("TATASTEEL", "172", 5_500, 200_000, ("5",), "0.16"),
)
CASH_FREEZE = 100_000
CARRY = Decimal("0.0002")  # what a future costs above its underlying, for each day to its end


@lru_cache(8)  # a restart, a new day and every simulated broker ask for the same one
def listings(on: date) -> tuple[Listing, ...]:
    """The instruments as they stand on a day: shares, indices, commodities, futures of two expiries, option chains."""
    return (*_shares(), *_indices(), *_futures(on), *_commodities(on), *_options(on))


def _shares() -> Iterator[Listing]:
    for number, (name, price, on_bse) in enumerate(SHARES):
        for exchange in (Exchange.NSE, Exchange.BSE)[: 1 + on_bse]:
            level = Decimal(price)
            token = 1_000 + number if exchange is Exchange.NSE else 500_000 + number
            yield Listing(
                instrument=Instrument(
                    exchange=exchange,
                    symbol=f"{exchange}:{name}",
                    broker_symbol=name,
                    instrument_token=str(token),
                    kind=InstrumentKind.EQUITY,
                    tick_size=_cash_tick(level),
                    lot_size=1,
                    name=name,
                    freeze_quantity=CASH_FREEZE,
                ),
                last_price=level,
                depth_quantity=max(100, int(1_000_000 / level)),
                day_volume=int(5_000_000_000 / level),
                walk=name,
            )


def _cash_tick(price: Decimal) -> Decimal:
    """NSE's ticks by price since April 2025."""
    for below, tick in ((250, "0.01"), (1_000, "0.05"), (5_000, "0.1"), (10_000, "0.5")):
        if price < below:
            return Decimal(tick)
    return Decimal(1)


def _indices() -> Iterator[Listing]:
    for number, (exchange, name, price) in enumerate(INDICES):
        yield Listing(
            instrument=Instrument(
                exchange=exchange,
                symbol=f"{exchange}:{name}",
                broker_symbol=name,
                instrument_token=str(900_000 + number),
                kind=InstrumentKind.INDEX,
                tick_size=Decimal("0.05"),
                lot_size=None,
                name=name,
            ),
            last_price=Decimal(price),
            volatility=0.008,
            depth_quantity=0,
            day_volume=0,
            walk=name,
        )


def _futures(on: date) -> Iterator[Listing]:
    indices = {name for _, name, _ in INDICES}
    for expiry in _expiries(on, _last_tuesday):
        for number, (name, price, tick, lot, freeze) in enumerate(FUTURES):
            yield _future(
                Exchange.NFO,
                name,
                expiry,
                token=35_000 + number + 100 * expiry.month,
                price=Decimal(price) * (1 + CARRY * (expiry - on).days),
                tick=Decimal(tick),
                lot=lot,
                freeze=freeze,
                volatility=0.008 if name in indices else 0.015,
                margin_rate=Decimal("0.12") if name in indices else Decimal("0.18"),
            )


def _commodities(on: date) -> Iterator[Listing]:
    for number, (name, price, tick, lot, freeze, latest) in enumerate(COMMODITIES):
        for expiry in _expiries(on, partial(_weekday_by, latest)):
            yield _future(
                Exchange.MCX,
                name,
                expiry,
                token=420_000 + number + 100 * expiry.month,
                price=Decimal(price) * (1 + CARRY * (expiry - on).days),
                tick=Decimal(tick),
                lot=lot,
                freeze=freeze,
                volatility=0.012,
                margin_rate=Decimal("0.1"),
            )


def _options(on: date) -> Iterator[Listing]:
    indices = {name for _, name, _ in INDICES}
    months = _expiries(on, _last_tuesday)
    tuesday = on + timedelta(days=(1 - on.weekday()) % 7)
    for number, (name, price, lot, freeze, steps, reach) in enumerate(OPTIONS):
        weeks = (tuesday, tuesday + timedelta(days=7)) if len(steps) > 1 else ()
        for expiry in sorted({*weeks, *months}):
            step = steps[0] if expiry in weeks else steps[-1]
            chain = Chain(
                name=name,
                expiry=expiry,
                level=Decimal(price),
                forward=Decimal(price) * (1 + CARRY * (expiry - on).days),
                step=Decimal(step),
                finest=Decimal(steps[0]),
                reach=Decimal(reach),
                lot=lot,
                freeze=freeze,
                volatility=0.008 if name in indices else 0.015,
                short_rate=Decimal("0.12") if name in indices else Decimal("0.18"),
            )
            yield from chain_listings(chain, number, on)


def _future(
    exchange: Exchange,
    name: str,
    expiry: date,
    *,
    token: int,
    price: Decimal,
    tick: Decimal,
    lot: int,
    freeze: int,
    volatility: float,
    margin_rate: Decimal,
) -> Listing:
    contract = f"{name}{expiry:%d%b%y}FUT".upper()
    return Listing(
        instrument=Instrument(
            exchange=exchange,
            symbol=f"{exchange}:{contract}",
            broker_symbol=contract,
            instrument_token=str(token),
            kind=InstrumentKind.FUTURE,
            tick_size=tick,
            lot_size=lot,
            name=name,
            expiry=expiry,
            freeze_quantity=freeze,
        ),
        last_price=price // tick * tick,
        volatility=volatility,
        margin_rate=margin_rate,
        band=Decimal("0.1"),
        depth_quantity=lot * 10,
        day_volume=lot * 100_000,
        walk=name,
    )


def _expiries(on: date, rule: Callable[[int, int], date]) -> tuple[date, date]:
    """The next two expiries, today's included."""
    found: list[date] = []
    year, month = on.year, on.month
    while len(found) < 2:
        if (expiry := rule(year, month)) >= on:
            found.append(expiry)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found[0], found[1]


def _last_tuesday(year: int, month: int) -> date:
    """NSE's monthly contracts end on the month's last Tuesday (since September 2025)."""
    following = date(year + month // 12, month % 12 + 1, 1)
    last = following - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - 1) % 7)


def _weekday_by(latest: int, year: int, month: int) -> date:
    day = date(year, month, latest)
    return day - timedelta(days=max(0, day.weekday() - 4))
