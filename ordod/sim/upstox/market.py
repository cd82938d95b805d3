"""Upstox's view of what is listed: keys, symbols, units, the instrument file, quotes and candles (upstox.md 7 and 8)."""

import gzip
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson
from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Candle, Interval, Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.upstox.envelope import UpstoxError, number

__all__ = ["Contract", "Market"]

SEGMENTS = {
    Exchange.NSE: ("NSE_EQ", "NSE", "NSE"),  # segment, exchange in the file, exchange in rows
    Exchange.BSE: ("BSE_EQ", "BSE", "BSE"),
    Exchange.NFO: ("NSE_FO", "NSE", "NFO"),
    Exchange.BFO: ("BSE_FO", "BSE", "BFO"),
    Exchange.CDS: ("NCD_FO", "NSE", "CDS"),
    Exchange.BCD: ("BCD_FO", "BSE", "BCD"),
    Exchange.MCX: ("MCX_FO", "MCX", "MCX"),
    Exchange.NSE_INDEX: ("NSE_INDEX", "NSE", "NSE"),
    Exchange.BSE_INDEX: ("BSE_INDEX", "BSE", "BSE"),
}
INDEX_NAMES = {
    "NIFTY": "Nifty 50",
    "BANKNIFTY": "Nifty Bank",
    "FINNIFTY": "Nifty Fin Service",
    "INDIAVIX": "India VIX",
    "SENSEX": "SENSEX",
}
INTERVALS = {
    ("minutes", "1"): (Interval.M1, 31),
    ("minutes", "3"): (Interval.M3, 31),
    ("minutes", "5"): (Interval.M5, 31),
    ("minutes", "10"): (Interval.M10, 31),
    ("minutes", "15"): (Interval.M15, 31),
    ("minutes", "30"): (Interval.M30, 92),
    ("hours", "1"): (Interval.H1, 92),
    ("days", "1"): (Interval.D1, 3653),
}  # the most days of one request
QUOTED_MAX = 500
DEPTH_LEVELS = 5


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in Upstox's words. `units`: how many of ours one of Upstox's quantity is (the lot on MCX)."""

    key: str
    segment: str
    exchange: str
    row_exchange: str
    trading_symbol: str
    isin: str
    units: int
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.instrument.kind is InstrumentKind.INDEX

    @property
    def row_symbol(self) -> str:
        """As order rows write it: `SBIN-EQ` (upstox.md 5.2)."""
        return f"{self.trading_symbol}-EQ" if self.segment == "NSE_EQ" else self.trading_symbol

    def named(self) -> dict[str, Any]:
        """How rows name it."""
        return {
            "exchange": self.row_exchange,
            "instrument_token": self.key,
            "tradingsymbol": self.row_symbol,
            "trading_symbol": self.row_symbol,
        }


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on. One share has one ISIN, whatever the exchange."""
        names = dict.fromkeys(one.instrument.name for one in listings)
        isins = {name: f"INE{number:03}A01010" for number, name in enumerate(names, 1)}
        self.contracts = tuple(
            _contract(one.instrument, isins[one.instrument.name]) for one in listings
        )
        self._by_key = {contract.key: contract for contract in self.contracts}
        self._by_symbol = {contract.symbol: contract for contract in self.contracts}

    def find(self, key: str) -> Contract:
        """What can be traded under this key. Raises UpstoxError 400."""
        contract = self._by_key.get(key)
        if contract is None or contract.is_index:
            raise UpstoxError.bad_key()
        return contract

    def listed(self, key: str) -> Contract | None:
        """What is quoted under this key, indices too."""
        return self._by_key.get(key)

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def quote(self, contract: Contract, now: datetime) -> Quote:
        return self._paper.quote(contract.symbol, now)

    def is_open(self, contract: Contract, now: datetime) -> bool:
        return self._paper.is_open(contract.symbol, now)

    def file(self) -> Answer:
        """`complete.json.gz`: the bytes are the gzipped file, not an encoding of the answer."""
        body = gzip.compress(orjson.dumps([_file_row(c) for c in self.contracts]), mtime=0)
        return Answer(200, (("content-type", "application/gzip"),), body)

    def quotes(
        self, keys: str, row: Callable[[Contract, Quote, datetime], dict[str, Any]], now: datetime
    ) -> dict[str, Any]:
        """A map named by segment and symbol. Unknown keys are left out; where none is known the call is refused."""
        asked = [key for key in keys.split(",") if key]
        if not asked:
            raise UpstoxError.bad_input("instrument_key", "UDAPI1026")
        if len(asked) > QUOTED_MAX:
            raise UpstoxError.bad_input("instrument_key", "UDAPI100042")
        found = [self._by_key[key] for key in asked if key in self._by_key]
        if not found:
            raise UpstoxError.bad_key()
        return {f"{c.segment}:{c.trading_symbol}": row(c, self.quote(c, now), now) for c in found}

    def history(
        self, key: str, unit: str, interval: str, upto: str, since: str | None, now: datetime
    ) -> dict[str, Any]:
        """`GET /v3/historical-candle/...`: newest first, without today's."""
        contract, (length, days_max) = self._asked(key, unit, interval)
        last = _day(upto)
        first = _day(since) if since is not None else last
        if last < first or last - first > timedelta(days=days_max):
            raise UpstoxError(400, "UDAPI1148", "Invalid date range")
        yesterday = now.astimezone(IST).date() - timedelta(days=1)
        return self._candles(contract, length, first, min(last, yesterday), now)

    def intraday(self, key: str, unit: str, interval: str, now: datetime) -> dict[str, Any]:
        """Today's, newest first."""
        contract, (length, _) = self._asked(key, unit, interval)
        today = now.astimezone(IST).date()
        return self._candles(contract, length, today, today, now)

    def _asked(self, key: str, unit: str, interval: str) -> tuple[Contract, tuple[Interval, int]]:
        contract, length = self._by_key.get(key), INTERVALS.get((unit, interval))
        if contract is None:
            raise UpstoxError.bad_key()
        if length is None:
            raise UpstoxError.bad_input("interval", "UDAPI1147")
        return contract, length

    def _candles(
        self, contract: Contract, length: Interval, first: date, last: date, now: datetime
    ) -> dict[str, Any]:
        start, end = datetime.combine(first, time(0), IST), datetime.combine(last, time.max, IST)
        found = (
            self._paper.candles(contract.symbol, length, start, end, now) if first <= last else []
        )
        return {"candles": [_candle(candle, contract) for candle in reversed(found)]}


def _contract(instrument: Instrument, isin: str) -> Contract:
    segment, exchange, row_exchange = SEGMENTS[instrument.exchange]
    is_share = instrument.kind is InstrumentKind.EQUITY
    if instrument.kind is InstrumentKind.INDEX:
        name = INDEX_NAMES.get(instrument.broker_symbol, instrument.broker_symbol)
        token, trading_symbol = name, instrument.broker_symbol
    else:
        token = isin if is_share else instrument.instrument_token
        trading_symbol = _trading_symbol(instrument)
    return Contract(
        key=f"{segment}|{token}",
        segment=segment,
        exchange=exchange,
        row_exchange=row_exchange,
        trading_symbol=trading_symbol,
        isin=isin if is_share else "",
        units=(instrument.lot_size or 1) if instrument.exchange is Exchange.MCX else 1,
        instrument=instrument,
    )


def _trading_symbol(instrument: Instrument) -> str:
    """`SBIN`, `SBIN FUT 27 JAN 26`, `NIFTY 24000 CE 27 JAN 26`."""
    if instrument.expiry is None:
        return instrument.broker_symbol
    day = f"{instrument.expiry:%d %b %y}".upper()
    strike = f"{instrument.strike:f} " if instrument.strike is not None else ""
    return f"{instrument.name} {strike}{instrument.kind} {day}"


def _file_row(contract: Contract) -> dict[str, Any]:
    instrument = contract.instrument
    row: dict[str, Any] = {
        "segment": contract.segment,
        "name": instrument.name,
        "exchange": contract.exchange,
        "instrument_type": str(instrument.kind),
        "instrument_key": contract.key,
        "exchange_token": instrument.instrument_token,
        "trading_symbol": contract.trading_symbol,
    }
    if contract.is_index:
        return row | {"name": contract.key.partition("|")[2]}
    row |= {
        "lot_size": 1 if instrument.exchange is Exchange.MCX else instrument.lot_size,
        "freeze_quantity": float(instrument.freeze_quantity or 0),
        "tick_size": float(instrument.tick_size * 100),  # paise
        "qty_multiplier": 1.0,
    }
    if instrument.expiry is None:
        short = {"short_name": instrument.name, "security_type": "NORMAL", "mtf_enabled": False}
        return row | {"isin": contract.isin} | short
    end = datetime.combine(instrument.expiry, time(23, 59, 59), IST)
    return row | {
        "expiry": int(end.timestamp() * 1000),
        "strike_price": float(instrument.strike or 0),
        "minimum_lot": row["lot_size"],
        "weekly": False,
        "asset_symbol": instrument.name,
        "underlying_symbol": instrument.name,
        "underlying_type": "COM" if instrument.exchange is Exchange.MCX else "EQUITY",
    }


# Rows of quotes


def ltp_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    """v3: with the last quantity, the day's volume and the previous close."""
    return {
        "last_price": number(quote.last_price),
        "instrument_token": contract.key,
        "ltq": 1,
        "volume": (quote.volume or 0) // contract.units,
        "cp": number(quote.close_price),
    }


def ohlc_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    """v3: today's so far; of the day before nothing is told."""
    live = _ohlc(quote, quote.last_price)
    live |= {"volume": (quote.volume or 0) // contract.units, "ts": int(now.timestamp() * 1000)}
    return {
        "last_price": number(quote.last_price),
        "instrument_token": contract.key,
        "prev_ohlc": None,
        "live_ohlc": live,
    }


def quote_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    """v2: `ohlc.close` is the previous close. An index has neither depth nor volume."""
    at = quote.at or now
    row: dict[str, Any] = {
        "ohlc": _ohlc(quote, quote.close_price),
        "timestamp": at.astimezone(IST).isoformat(timespec="milliseconds"),
        "instrument_token": contract.key,
        "symbol": contract.trading_symbol,
        "last_price": number(quote.last_price),
        "net_change": number(quote.last_price - (quote.close_price or quote.last_price)),
        "last_trade_time": str(int(at.timestamp() * 1000)),
    }
    if contract.is_index:
        return row
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    return row | {
        "depth": {"buy": _levels(buy, contract), "sell": _levels(sell, contract)},
        "volume": (quote.volume or 0) // contract.units,
        "average_price": number(quote.average_price or quote.last_price),
        "oi": float((quote.oi or 0) // contract.units),
        "total_buy_quantity": float(sum(one.quantity for one in buy) // contract.units),
        "total_sell_quantity": float(sum(one.quantity for one in sell) // contract.units),
        "lower_circuit_limit": number(quote.lower_circuit),
        "upper_circuit_limit": number(quote.upper_circuit),
        "oi_day_high": 0.0,
        "oi_day_low": 0.0,
    }


def _ohlc(quote: Quote, close: Decimal | None) -> dict[str, Any]:
    return {
        "open": number(quote.open_price),
        "high": number(quote.high_price),
        "low": number(quote.low_price),
        "close": number(close),
    }


def _levels(levels: tuple[Level, ...], contract: Contract) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "quantity": level.quantity // contract.units,
            "price": number(level.price),
            "orders": level.orders or 1,
        }
        for level in levels[:DEPTH_LEVELS]
    ]
    return rows + [{"quantity": 0, "price": 0.0, "orders": 0}] * (DEPTH_LEVELS - len(rows))


def _candle(candle: Candle, contract: Contract) -> list[Any]:
    prices = [number(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    at = candle.at.astimezone(IST).isoformat(timespec="seconds")
    return [at, *prices, candle.volume // contract.units, candle.oi or 0]


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=IST).date()
    except ValueError:
        raise UpstoxError(400, "UDAPI1148", "Invalid date range") from None
