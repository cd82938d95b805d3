"""Kite's view of what is listed: its names, tokens, units, the instrument dump, quotes and candles (zerodha.md 7 and 8)."""

import gzip
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Candle, Interval, Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.zerodha.envelope import KiteError, number

__all__ = ["Contract", "Market"]

SEGMENT_CODES = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "BCD": 6, "MCX": 7, "INDICES": 9}
INDEX_NAMES = {
    "NIFTY": "NIFTY 50",
    "BANKNIFTY": "NIFTY BANK",
    "FINNIFTY": "NIFTY FIN SERVICE",
    "INDIAVIX": "INDIA VIX",
    "SENSEX": "SENSEX",
}
INDEX_EXCHANGES = {Exchange.NSE_INDEX: "NSE", Exchange.BSE_INDEX: "BSE"}
IN_LOTS = (Exchange.MCX, Exchange.CDS, Exchange.BCD)
MONTH_DIGITS = "123456789OND"
INTERVALS = {
    "minute": (Interval.M1, 60),
    "3minute": (Interval.M3, 100),
    "5minute": (Interval.M5, 100),
    "10minute": (Interval.M10, 100),
    "15minute": (Interval.M15, 200),
    "30minute": (Interval.M30, 200),
    "60minute": (Interval.H1, 400),
    "day": (Interval.D1, 2000),
}  # the most days of one request
QUOTED_MAX = {"quote": 500, "ohlc": 1000, "ltp": 1000}
DEPTH_LEVELS = 5
HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in Kite's words. `units`: how many of ours one of Kite's quantity is (the lot, where it counts lots)."""

    exchange: str
    tradingsymbol: str
    instrument_token: int
    segment: str
    instrument_type: str
    lot_size: int
    units: int
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.segment == "INDICES"

    @property
    def name(self) -> str:
        return f"{self.exchange}:{self.tradingsymbol}"


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on."""
        self.contracts = tuple(_contract(listing.instrument) for listing in listings)
        self._by_name = {contract.name: contract for contract in self.contracts}
        self._by_token = {contract.instrument_token: contract for contract in self.contracts}
        self._by_symbol = {contract.symbol: contract for contract in self.contracts}

    def find(self, exchange: str, tradingsymbol: str) -> Contract:
        """What can be traded under this name. Raises KiteError 400."""
        contract = self._by_name.get(f"{exchange}:{tradingsymbol}")
        if contract is None or contract.is_index:
            raise KiteError.bad_input("Instrument is expired or does not exist.")
        return contract

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def of_token(self, token: int) -> Contract | None:
        return self._by_token.get(token)

    def last_price(self, contract: Contract, now: datetime) -> Decimal:
        return self._paper.last_price(contract.symbol, now)

    def dump(self, exchange: str, *, zipped: bool) -> Answer:
        """`GET /instruments[/{exchange}]`: CSV, gzipped where the client takes that."""
        rows = [HEADER]
        rows += [_csv(c) for c in self.contracts if exchange in ("", c.exchange)]
        body = ("\n".join(rows) + "\n").encode()
        headers = (("content-type", "text/csv"),)
        if zipped:
            return Answer(
                200, (*headers, ("content-encoding", "gzip")), gzip.compress(body, mtime=0)
            )
        return Answer(200, headers, body)

    def quotes(self, kind: str, names: list[str], now: datetime) -> dict[str, Any]:
        """`GET /quote`, `/quote/ohlc`, `/quote/ltp`. What is not known is left out without a word."""
        if not names:
            raise KiteError.bad_input("Missing or empty field `i`.")
        if len(names) > QUOTED_MAX[kind]:
            raise KiteError.bad_input(f"Maximum {QUOTED_MAX[kind]} instruments allowed.")
        shape = {"quote": _quote_row, "ohlc": _ohlc_row, "ltp": _ltp_row}[kind]
        found = ((name, self._named(name)) for name in names)
        return {
            name: shape(contract, self._paper.quote(contract.symbol, now), now)
            for name, contract in found
            if contract is not None
        }

    def candles(
        self, token: str, word: str, query: dict[str, str], now: datetime
    ) -> dict[str, Any]:
        """`GET /instruments/historical/{token}/{interval}`: oldest first, the end included."""
        if word not in INTERVALS:
            raise KiteError.bad_input("invalid interval")
        interval, days_max = INTERVALS[word]
        contract = self._by_token.get(int(token)) if token.isascii() and token.isdigit() else None
        if contract is None:
            raise KiteError.bad_input("invalid token")
        start, end = (_moment(name, query.get(name, "")) for name in ("from", "to"))
        if end < start:
            raise KiteError.bad_input("invalid from date")
        if end - start > timedelta(days=days_max):
            raise KiteError.bad_input(f"interval exceeds max limit: {days_max} days")
        with_oi = query.get("oi", "0") == "1"
        found = self._paper.candles(contract.symbol, interval, start, end, now)
        return {"candles": [_candle(candle, with_oi=with_oi) for candle in found]}

    def trigger_range(self, side: str, names: list[str], now: datetime) -> dict[str, Any]:
        """`GET /instruments/trigger_range/{buy|sell}`: how far a cover order's stop may be."""
        if side not in ("buy", "sell"):
            raise KiteError.bad_input("Invalid `transaction_type`.")
        rows: dict[str, Any] = {}
        for name in names:
            contract = self._named(name)
            if contract is not None:
                last = self.last_price(contract, now)
                far, near = (
                    (Decimal("0.9"), Decimal(1)) if side == "buy" else (Decimal(1), Decimal("1.1"))
                )
                rows[name] = {
                    "instrument_token": contract.instrument_token,
                    "lower": number(last * far),
                    "upper": number(last * near),
                }
        return rows

    def _named(self, name: str) -> Contract | None:
        if name.isascii() and name.isdigit():
            return self._by_token.get(int(name))
        return self._by_name.get(name)


def _contract(instrument: Instrument) -> Contract:
    kind = instrument.kind
    if kind is InstrumentKind.INDEX:
        exchange, segment, instrument_type = INDEX_EXCHANGES[instrument.exchange], "INDICES", "EQ"
        tradingsymbol = INDEX_NAMES.get(instrument.broker_symbol, instrument.broker_symbol)
    else:
        exchange = str(instrument.exchange)
        tradingsymbol = _tradingsymbol(instrument)
        instrument_type = str(kind)
        part = {InstrumentKind.EQUITY: "", InstrumentKind.FUTURE: "-FUT"}.get(kind, "-OPT")
        segment = exchange + part
    counts_lots = instrument.exchange in IN_LOTS
    lot = instrument.lot_size or 1
    code = SEGMENT_CODES["INDICES" if segment == "INDICES" else exchange]
    return Contract(
        exchange=exchange,
        tradingsymbol=tradingsymbol,
        instrument_token=int(instrument.instrument_token) * 256 + code,
        segment=segment,
        instrument_type=instrument_type,
        lot_size=1 if counts_lots else lot,
        units=lot if counts_lots else 1,
        instrument=instrument,
    )


def _tradingsymbol(instrument: Instrument) -> str:
    """`NIFTY26NOVFUT`, `NIFTY26NOV25000CE`, and in weeks that do not end a month `NIFTY26N1225000CE`."""
    expiry = instrument.expiry
    if expiry is None:
        return instrument.broker_symbol
    month = f"{expiry:%y%b}".upper()
    if instrument.kind is InstrumentKind.FUTURE:
        return f"{instrument.name}{month}FUT"
    is_weekly = (
        expiry + timedelta(days=7)
    ).month == expiry.month and instrument.exchange is not Exchange.MCX
    when = f"{expiry:%y}{MONTH_DIGITS[expiry.month - 1]}{expiry:%d}" if is_weekly else month
    assert instrument.strike is not None
    return f"{instrument.name}{when}{number(instrument.strike)}{instrument.kind}"


def _csv(contract: Contract) -> str:
    instrument = contract.instrument
    is_derivative = instrument.expiry is not None
    columns = (
        contract.instrument_token,
        contract.instrument_token >> 8,
        contract.tradingsymbol,
        f'"{instrument.name}"' if is_derivative else instrument.name,
        "0.0",
        instrument.expiry or "",
        float(instrument.strike or 0),
        0 if contract.is_index else number(instrument.tick_size),
        0 if contract.is_index else contract.lot_size,
        contract.instrument_type,
        contract.segment,
        contract.exchange,
    )
    return ",".join(str(column) for column in columns)


def _ohlc(quote: Quote) -> dict[str, Any]:
    return {
        "open": number(quote.open_price or 0),
        "high": number(quote.high_price or 0),
        "low": number(quote.low_price or 0),
        "close": number(quote.close_price or 0),
    }


def _ltp_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    return {"instrument_token": contract.instrument_token, "last_price": number(quote.last_price)}


def _ohlc_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    return _ltp_row(contract, quote, now) | {"ohlc": _ohlc(quote)}


def _quote_row(contract: Contract, quote: Quote, now: datetime) -> dict[str, Any]:
    """An index has neither depth nor volume."""
    at = f"{quote.at or now:%Y-%m-%d %H:%M:%S}"
    row: dict[str, Any] = {
        "instrument_token": contract.instrument_token,
        "timestamp": at,
        "last_price": number(quote.last_price),
        "net_change": 0,
        "ohlc": _ohlc(quote),
    }
    if contract.is_index:
        return row
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    return row | {
        "last_trade_time": at,
        "last_quantity": contract.lot_size,
        "buy_quantity": sum(level.quantity for level in buy) // contract.units,
        "sell_quantity": sum(level.quantity for level in sell) // contract.units,
        "volume": (quote.volume or 0) // contract.units,
        "average_price": number(quote.average_price or 0),
        "oi": quote.oi or 0,
        "oi_day_high": quote.oi or 0,
        "oi_day_low": quote.oi or 0,
        "lower_circuit_limit": number(quote.lower_circuit or 0),
        "upper_circuit_limit": number(quote.upper_circuit or 0),
        "depth": {"buy": _levels(buy, contract), "sell": _levels(sell, contract)},
    }


def _levels(levels: tuple[Level, ...], contract: Contract) -> list[dict[str, Any]]:
    rows = [
        {
            "price": number(level.price),
            "quantity": level.quantity // contract.units,
            "orders": level.orders or 1,
        }
        for level in levels[:DEPTH_LEVELS]
    ]
    return rows + [{"price": 0, "quantity": 0, "orders": 0}] * (DEPTH_LEVELS - len(rows))


def _candle(candle: Candle, *, with_oi: bool) -> list[Any]:
    row: list[Any] = [f"{candle.at.astimezone(IST):%Y-%m-%dT%H:%M:%S%z}"]
    row += [number(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    row.append(candle.volume)
    return [*row, candle.oi or 0] if with_oi else row


def _moment(name: str, text: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS`, or the date alone: its midnight."""
    for pattern in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=IST)
        except ValueError:
            continue
    raise KiteError.bad_input(f"invalid {name} date")
