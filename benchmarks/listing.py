"""As many contracts as the exchanges list, in the proportions they list them, and each broker's file of them.

Names people search for are real; the rest is made up of syllables, always the same. Prices, tokens and ISINs mean nothing.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from ordod.adapter import IST, Exchange, Instrument, InstrumentKind, derivative_symbol

__all__ = ["FILES", "contracts"]

SHARES = {
    "INFY": "INFOSYS LIMITED",
    "TCS": "TATA CONSULTANCY SERV LT",
    "RELIANCE": "RELIANCE INDUSTRIES LTD",
    "HDFCBANK": "HDFC BANK LTD",
    "ICICIBANK": "ICICI BANK LTD.",
    "SBIN": "STATE BANK OF INDIA",
    "TATASTEEL": "TATA STEEL LIMITED",
    "TMPV": "TATA MOTORS PASS VEH LTD",
    "M&M": "MAHINDRA & MAHINDRA LTD",
    "BAJAJ-AUTO": "BAJAJ AUTO LIMITED",
    "BAJFINANCE": "BAJAJ FINANCE LIMITED",
    "LT": "LARSEN & TOUBRO LTD.",
    "ITC": "ITC LTD",
    "WIPRO": "WIPRO LTD",
    "MARUTI": "MARUTI SUZUKI INDIA LTD.",
    "ADANIENT": "ADANI ENTERPRISES LIMITED",
    "ADANIPORTS": "ADANI PORT & SEZ LTD",
    "AXISBANK": "AXIS BANK LIMITED",
    "KOTAKBANK": "KOTAK MAHINDRA BANK LTD",
    "ETERNAL": "ETERNAL LIMITED",
    "MCX": "MULTI COMMODITY EXCHANGE",
    "BSE": "BSE LIMITED",
    "360ONE": "360 ONE WAM LIMITED",
    "63MOONS": "63 MOONS TECHNOLOGIES LTD",
    "VEDL": "VEDANTA LIMITED",
    "SUNPHARMA": "SUN PHARMACEUTICAL IND L",
}
FUNDS = {
    "NIFTYBEES": "NIP IND ETF NIFTY BEES",
    "BANKBEES": "NIP IND ETF BANK BEES",
    "GOLDBEES": "NIP IND ETF GOLD BEES",
    "INFYETF": "MADE UP INFOSYS ETF",
    "RELIANCEETF": "MADE UP RELIANCE ETF",
}
SERIES = ("RELIANCE-W1", "INFY-BE", "VEDL-N3", "RELIANCEPP-E1")
INDICES = {
    "NIFTY": "NIFTY 50",
    "BANKNIFTY": "NIFTY BANK",
    "FINNIFTY": "NIFTY FIN SERVICE",
    "MIDCPNIFTY": "NIFTY MID SELECT",
    "NIFTYNXT50": "NIFTY NEXT 50",
    "INDIAVIX": "INDIA VIX",
}
STEPS = {"NIFTY": (24500, 50, 160), "BANKNIFTY": (55000, 100, 160), "FINNIFTY": (26000, 50, 120)}
COMMODITIES = ("GOLD", "GOLDM", "SILVER", "CRUDEOIL", "NATURALGAS")
SYLLABLES = (
    "SHA",
    "RA",
    "MI",
    "KON",
    "TEX",
    "VAR",
    "DEL",
    "PRO",
    "GEN",
    "LUX",
    "ORI",
    "NAV",
    "BHA",
)
ENDS = ("INDUSTRIES LTD", "FINANCE LIMITED", "TEXTILES LTD", "PHARMA LIMITED", "INFRA LTD")
FIRST = date(2026, 11, 24)
TICK = Decimal("0.05")


def contracts(count: int = 120_000) -> Iterator[Instrument]:
    """A tenth of it shares; options fill what is left, those on the indices first."""
    made = 0
    names = _names(max(40, count // 14))
    for made, one in enumerate(_cash(names), 1):  # noqa: B007 - how many
        yield one
    underlyings = [*STEPS, *list(SHARES), *names[len(SHARES) : len(SHARES) + 170]]
    for one in _derivatives(underlyings):
        if made >= count:
            return
        made += 1
        yield one


def _names(count: int) -> list[str]:
    rng = random.Random(7)  # noqa: S311 - names
    made = dict.fromkeys(SHARES)
    while len(made) < count:
        made["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4)))[: rng.randint(5, 11)]] = None
    return list(made)


def _cash(names: list[str]) -> Iterator[Instrument]:
    for number, (name, title) in enumerate(INDICES.items()):
        yield _plain(Exchange.NSE_INDEX, name, title, str(256000 + number), InstrumentKind.INDEX)
    yield _plain(Exchange.BSE_INDEX, "SENSEX", "SENSEX", "265", InstrumentKind.INDEX)
    titles = {name: f"{name} {ENDS[place % len(ENDS)]}" for place, name in enumerate(names)}
    titles |= SHARES | FUNDS | {name: name.partition("-")[0] for name in SERIES}
    for place, exchange in enumerate((Exchange.NSE, Exchange.BSE)):
        for number, (name, title) in enumerate(titles.items()):
            if exchange is Exchange.NSE or name not in SERIES:
                token = str(1000 + place * 500_000 + number)
                isin = f"INE{number:05d}1012"
                yield _plain(exchange, name, title, token, InstrumentKind.EQUITY, isin)


def _plain(
    exchange: Exchange,
    name: str,
    title: str,
    token: str,
    kind: InstrumentKind,
    isin: str | None = None,
) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=name,
        instrument_token=token,
        kind=kind,
        tick_size=TICK,
        lot_size=None if kind is InstrumentKind.INDEX else 1,
        name=title,
        isin=isin,
    )


def _derivatives(underlyings: list[str]) -> Iterator[Instrument]:
    token = 2_000_000
    months = [FIRST, date(2026, 12, 29), date(2027, 1, 26)]
    for exchange, names in ((Exchange.NFO, underlyings), (Exchange.MCX, list(COMMODITIES))):
        for name in names:
            for ends in months:
                token += 1
                yield _contract(exchange, name, token, ends, InstrumentKind.FUTURE, None)
    weeks = [FIRST + timedelta(days=7 * week) for week in range(1, 5)]
    others = [name for name in underlyings if name not in STEPS]
    near = [(name, ends) for ends in (*months, *weeks) for name in STEPS]
    for name, ends in (*near, *((name, ends) for ends in months for name in others)):
        middle, step, wide = STEPS.get(name, (1500, 10, 55))
        for strike in range(middle - step * wide, middle + step * wide, step):
            for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                token += 1
                yield _contract(Exchange.NFO, name, token, ends, kind, Decimal(strike))
    for year in range(2027, 2032):  # far ones, as the exchange lists them for indices
        for name in underlyings:
            middle, step, wide = STEPS.get(name, (1500, 10, 55))
            for strike in range(middle - step * wide, middle + step * wide, step):
                token += 1
                ends = date(year, 6, 29)
                yield _contract(
                    Exchange.NFO, name, token, ends, InstrumentKind.CALL, Decimal(strike)
                )


def _contract(
    exchange: Exchange,
    name: str,
    token: int,
    ends: date,
    kind: InstrumentKind,
    strike: Decimal | None,
) -> Instrument:
    symbol = derivative_symbol(exchange, name, ends, kind, strike)
    return Instrument(
        exchange=exchange,
        symbol=symbol,
        broker_symbol=f"{name}{ends:%y%b%d}{strike or ''}{kind}".upper(),
        instrument_token=str(token),
        kind=kind,
        tick_size=TICK,
        lot_size=75,
        name=name,
        expiry=ends,
        strike=strike,
        freeze_quantity=1800,
    )


# As the brokers write them


def _zerodha(rows: Iterable[Instrument]) -> Iterator[str]:
    yield (
        "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
        "instrument_type,segment,exchange\n"
    )
    for one in rows:
        index = one.kind is InstrumentKind.INDEX
        segment = "INDICES" if index else one.exchange.value
        kind = "EQ" if index else one.kind.value
        place = one.exchange.value.partition("_")[0]
        yield (
            f"{one.instrument_token},{one.instrument_token},{one.broker_symbol},{one.name},0,"
            f"{one.expiry or ''},{one.strike or 0},0.05,{one.lot_size or 0},{kind},{segment},{place}\n"
        )


def _dhan(rows: Iterable[Instrument]) -> Iterator[str]:
    yield (
        "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,"
        "DISPLAY_NAME,INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,"
        "EXPIRY_FLAG,BRACKET_FLAG,COVER_FLAG,ASM_GSM_FLAG,ASM_GSM_CATEGORY,BUY_SELL_INDICATOR,"
        "SM_FREEZE_QTY,SM_LOWER_LIMIT,SM_UPPER_LIMIT\n"
    )
    segments = {Exchange.NSE: "E", Exchange.BSE: "E", Exchange.NFO: "D", Exchange.MCX: "M"}
    for one in rows:
        name, _, series = _split(one)
        place = "MCX" if one.exchange is Exchange.MCX else one.exchange.value[0:1] + "SE"
        place = "BSE" if one.exchange.value.startswith("B") else place.replace("XSE", "MCX")
        what = {"FUT": "FUTSTK", "CE": "OPTSTK", "PE": "OPTSTK", "EQ": "EQUITY"}
        yield (
            f"{place},{segments.get(one.exchange, 'I')},{one.instrument_token},{one.isin or 'NA'},"
            f"{what.get(one.kind.value, 'INDEX')},0,{one.name if one.expiry else name},"
            f"{one.broker_symbol if one.expiry else one.name},{one.name},ES,{series},{one.lot_size or 0},"
            f"{one.expiry or '0001-01-01'},{one.strike or -0.01},{one.kind if one.strike else 'XX'},"
            f"5.0000,M,N,N,N,NA,A,{one.freeze_quantity or 0},0,0\n"
        )


def _fyers(rows: Iterable[Instrument]) -> Iterator[str]:
    places = {
        Exchange.NSE: (10, 10),
        Exchange.NSE_INDEX: (10, 10),
        Exchange.BSE: (12, 10),
        Exchange.BSE_INDEX: (12, 10),
        Exchange.NFO: (10, 11),
        Exchange.MCX: (11, 20),
    }
    for one in rows:
        name, body, series = _split(one)
        exchange, segment = places[one.exchange]
        place = {10: "NSE", 12: "BSE", 11: "MCX"}[exchange]
        tail = "-INDEX" if one.kind is InstrumentKind.INDEX else f"-{series}"
        ticker = f"{place}:{body if one.expiry else name + tail}"
        ends = int(_end_of(one.expiry).timestamp()) if one.expiry else ""
        kind = 10 if one.kind is InstrumentKind.INDEX else 0
        yield (
            f"{exchange}{segment}000000{one.instrument_token},{one.name},{kind},{one.lot_size or 1},0.05,"
            f"{one.isin or ''},0915-1530|1815-1915:,2026-11-23,{ends},{ticker},{exchange},{segment},"
            f"{one.instrument_token},{one.name if one.expiry else name},{one.instrument_token},"
            f"{one.strike or -1},{one.kind if one.strike else 'XX'},{one.instrument_token},None,0,0.0\n"
        )


def _angelone(rows: Iterable[Instrument]) -> Iterator[str]:
    what = {"FUT": "FUTSTK", "CE": "OPTSTK", "PE": "OPTSTK", "EQ": "", "INDEX": "AMXIDX"}
    for place, one in enumerate(rows):
        name, body, series = _split(one)
        theirs = f"{name}-{series}" if one.exchange is Exchange.NSE else body
        row = {
            "token": one.instrument_token,
            "symbol": theirs,
            "name": one.name if one.expiry else name,
            "expiry": f"{one.expiry:%d%b%Y}".upper() if one.expiry else "",
            "strike": f"{(one.strike or 0) * 100:.6f}",
            "lotsize": str(one.lot_size or 1),
            "instrumenttype": what[one.kind.value],
            "exch_seg": one.exchange.value.partition("_")[0],
            "tick_size": "5.000000",
        }
        yield ("[" if place == 0 else ",") + json.dumps(row, separators=(",", ":"))
    yield "]"


def _upstox(rows: Iterable[Instrument]) -> Iterator[str]:
    segments = {"NSE": "NSE_EQ", "BSE": "BSE_EQ", "NFO": "NSE_FO", "MCX": "MCX_FO"}
    for place, one in enumerate(rows):
        name, _, series = _split(one)
        segment = segments.get(one.exchange.value, one.exchange.value)
        key = one.name if one.kind is InstrumentKind.INDEX else one.isin or one.instrument_token
        row: dict[str, object] = {
            "segment": segment,
            "name": one.name,
            "exchange": one.exchange.value[:3],
            "instrument_type": series if one.kind is InstrumentKind.EQUITY else one.kind.value,
            "instrument_key": f"{segment}|{key}",
            "exchange_token": one.instrument_token,
            "trading_symbol": name if one.expiry is None else one.broker_symbol,
            "lot_size": one.lot_size or 0,
            "tick_size": 5.0,
            "freeze_quantity": float(one.freeze_quantity or 0),
            "qty_multiplier": 1.0,
        }
        if one.isin:
            row |= {"isin": one.isin, "short_name": name, "security_type": "NORMAL"}
        if one.expiry:
            row |= {
                "expiry": int(_end_of(one.expiry).timestamp() * 1000),
                "strike_price": float(one.strike or 0),
                "minimum_lot": one.lot_size,
                "weekly": False,
                "asset_symbol": one.name,
                "underlying_symbol": one.name,
                "underlying_key": f"NSE_EQ|{one.name}",
                "underlying_type": "EQUITY",
                "asset_key": f"NSE_EQ|{one.name}",
                "asset_type": "EQUITY",
                "last_trading_date": int(_end_of(one.expiry).timestamp() * 1000),
            }
        yield ("[" if place == 0 else ",") + json.dumps(row, separators=(",", ":"))
    yield "]"


def _split(one: Instrument) -> tuple[str, str, str]:
    """Name, name with series, series."""
    body = one.symbol.partition(":")[2]
    name, _, series = body.rpartition("-")
    if one.expiry or len(series) > 2 or not name:
        return body, body, "EQ" if one.exchange is Exchange.NSE else "A"
    return name, body, series


@lru_cache(1024)
def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), IST)


def _text(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode()


FILES: dict[str, Callable[[Iterable[Instrument]], bytes]] = {
    "angelone": lambda rows: _text(_angelone(rows)),
    "dhan": lambda rows: _text(_dhan(rows)),
    "fyers": lambda rows: _text(_fyers(rows)),
    "upstox": lambda rows: gzip.compress(_text(_upstox(rows)), 5),
    "zerodha": lambda rows: gzip.compress(_text(_zerodha(rows)), 5),
}
