"""Dhan's view of what is listed: segments and ids, the detailed instrument file, quotes and charts (dhan.md 7 and 8)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Candle, Interval, Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.dhan.envelope import DataError, DhanError, number

__all__ = ["SEGMENTS", "Contract", "Market"]

SEGMENTS = {
    Exchange.NSE: ("NSE_EQ", "NSE", "E"),
    Exchange.BSE: ("BSE_EQ", "BSE", "E"),
    Exchange.NFO: ("NSE_FNO", "NSE", "D"),
    Exchange.BFO: ("BSE_FNO", "BSE", "D"),
    Exchange.CDS: ("NSE_CURRENCY", "NSE", "C"),
    Exchange.BCD: ("BSE_CURRENCY", "BSE", "C"),
    Exchange.MCX: ("MCX_COMM", "MCX", "M"),
    Exchange.NSE_INDEX: ("IDX_I", "NSE", "I"),
    Exchange.BSE_INDEX: ("IDX_I", "BSE", "I"),
}
INDEX_IDS = {"NIFTY": 13, "BANKNIFTY": 25, "FINNIFTY": 27, "INDIAVIX": 21, "SENSEX": 51}
INDEX_SHOWN = {"INDIAVIX": "INDIA VIX"}
ON_INDEX = ("NIFTY", "BANKNIFTY", "FINNIFTY", "SENSEX")
INTERVALS = {"1": Interval.M1, "5": Interval.M5, "15": Interval.M15, "60": Interval.H1}
INTRADAY_DAYS_MAX = 90
QUOTED_MAX = 1000
LEVELS = 5
HEADER = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,ASM_GSM_FLAG,"
    "ASM_GSM_CATEGORY,BUY_SELL_INDICATOR,MTF_LEVERAGE,SM_UPPER_LIMIT,SM_LOWER_LIMIT,SM_FREEZE_QTY"
)


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in Dhan's words."""

    segment: str
    security_id: str
    trading_symbol: str
    word: str  # what charts call it
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.word == "INDEX"


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on."""
        contracts = [_contract(listing.instrument) for listing in listings]
        self._by_id = {(c.segment, c.security_id): c for c in contracts}
        self._by_symbol = {contract.symbol: contract for contract in contracts}

    def find(self, segment: object, security_id: object) -> Contract:
        """What can be traded under this id. Raises DhanError 400."""
        contract = self.listed(segment, security_id)
        if contract is None or contract.is_index:
            raise DhanError.bad_input("Invalid SecurityId")
        return contract

    def listed(self, segment: object, security_id: object) -> Contract | None:
        """What has this name, an index too; None where nothing has."""
        return self._by_id.get((str(segment), str(security_id)))

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def csv(self, now: datetime) -> bytes:
        """The detailed file."""
        rows = [HEADER, *(self._row(contract, now) for contract in self._by_symbol.values())]
        return ("\n".join(rows) + "\n").encode()

    def quotes(self, kind: str, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """`POST /marketfeed/{ltp,ohlc,quote}`. What is not known is left out without a word."""
        wanted = [
            (str(segment), str(one))
            for segment, ids in asked.items()
            if isinstance(ids, list)
            for one in ids
        ]
        if not wanted:
            raise DataError(400, "812", "Invalid Request")
        if len(wanted) > QUOTED_MAX:
            raise DataError(400, "804", "Number of instruments exceeds limit")
        found: dict[str, dict[str, Any]] = {}
        for key in wanted:
            if contract := self._by_id.get(key):
                quote = self._paper.quote(contract.symbol, now)
                found.setdefault(key[0], {})[key[1]] = _quote(kind, quote)
        return {"data": found, "status": "success"}

    def candles(self, path: str, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """`POST /charts/{intraday,historical}`: columns, oldest first; the end of days is left out."""
        key = (str(asked.get("exchangeSegment")), str(asked.get("securityId")))
        contract = self._by_id.get(key)
        if contract is None or asked.get("instrument") != contract.word:
            raise DhanError.bad_input("Missing required fields, bad values for parameters etc.")
        start, end = (_moment(asked.get(name)) for name in ("fromDate", "toDate"))
        if path == "historical":
            interval, end = Interval.D1, end - timedelta(seconds=1)
        else:
            if str(asked.get("interval")) not in INTERVALS:
                raise DhanError.bad_input("Invalid interval")
            interval = INTERVALS[str(asked["interval"])]
            if end - start > timedelta(days=INTRADAY_DAYS_MAX):
                raise DhanError.bad_input("Only 90 days of intraday data can be fetched at once")
        candles = self._paper.candles(contract.symbol, interval, start, end, now)
        if not candles:
            words = "System is unable to fetch data due to incorrect parameters or no data present."
            raise DhanError(400, "DH-907", words)
        return _columns(candles, with_oi=bool(asked.get("oi")))

    def _row(self, contract: Contract, now: datetime) -> str:
        instrument = contract.instrument
        _, exchange, segment = SEGMENTS[instrument.exchange]
        expiry, is_cash = instrument.expiry, contract.word == "EQUITY"
        is_option = instrument.strike is not None
        low, high = self._paper.circuit_limits(contract.symbol, now)
        limits = ("0", "0") if contract.is_index else (high, low)
        name = (
            f"{instrument.name or contract.trading_symbol} LTD"
            if is_cash
            else contract.trading_symbol
        )
        cells = (
            exchange,
            segment,
            contract.security_id,
            f"INE{contract.security_id:0>9}" if is_cash else "NA",
            contract.word,
            "",
            instrument.name if expiry else contract.trading_symbol,
            name,
            name.title() if is_cash else name,
            "ES" if is_cash else contract.word,
            ("EQ" if exchange == "NSE" else "A") if is_cash else "NA",
            float(instrument.lot_size or 1),
            expiry or "0001-01-01",
            float(instrument.strike or 0) if is_option else "-0.01000",
            instrument.kind if is_option else "XX",
            f"{instrument.tick_size * 100:.4f}",
            "M" if expiry else "NA",
            "N",
            "NA",
            "A",
            "0.0",
            *limits,
            instrument.freeze_quantity or 0,
        )
        return ",".join(str(cell) for cell in cells)


def _contract(instrument: Instrument) -> Contract:
    segment = SEGMENTS[instrument.exchange][0]
    security_id, shown = instrument.instrument_token, instrument.broker_symbol
    if instrument.kind is InstrumentKind.INDEX:
        security_id = str(INDEX_IDS[shown])
        shown = INDEX_SHOWN.get(shown, shown)
    if instrument.expiry is not None:
        end = f"{instrument.expiry:%b%Y}"
        strike = f"{number(instrument.strike):g}-{instrument.kind}" if instrument.strike else "FUT"
        shown = f"{instrument.name}-{end}-{strike}"
    return Contract(
        segment=segment,
        security_id=security_id,
        trading_symbol=shown,
        word=_word(instrument),
        instrument=instrument,
    )


def _word(instrument: Instrument) -> str:
    if instrument.kind is InstrumentKind.INDEX:
        return "INDEX"
    if instrument.expiry is None:
        return "EQUITY"
    is_future = instrument.kind is InstrumentKind.FUTURE
    if instrument.exchange is Exchange.MCX:
        return "FUTCOM" if is_future else "OPTFUT"
    if instrument.exchange in (Exchange.CDS, Exchange.BCD):
        return "FUTCUR" if is_future else "OPTCUR"
    return ("FUT" if is_future else "OPT") + ("IDX" if instrument.name in ON_INDEX else "STK")


def _quote(kind: str, quote: Quote) -> dict[str, Any]:
    row: dict[str, Any] = {"last_price": number(quote.last_price)}
    if kind == "ltp":
        return row
    row["ohlc"] = {
        "open": number(quote.open_price),
        "close": number(quote.close_price),
        "high": number(quote.high_price),
        "low": number(quote.low_price),
    }
    if kind == "ohlc":
        return row
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    return row | {
        "average_price": number(quote.average_price),
        "buy_quantity": sum(level.quantity for level in buy),
        "sell_quantity": sum(level.quantity for level in sell),
        "depth": {"buy": _levels(buy), "sell": _levels(sell)},
        "last_quantity": 1,
        "last_trade_time": f"{quote.at:%d/%m/%Y %H:%M:%S}" if quote.at else "01/01/1980 00:00:00",
        "lower_circuit_limit": number(quote.lower_circuit),
        "upper_circuit_limit": number(quote.upper_circuit),
        "net_change": 0,
        "oi": quote.oi or 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
        "volume": quote.volume or 0,
    }


def _levels(levels: tuple[Level, ...]) -> list[dict[str, Any]]:
    rows = [
        {"quantity": level.quantity, "orders": level.orders or 1, "price": number(level.price)}
        for level in levels[:LEVELS]
    ]
    return rows + [{"quantity": 0, "orders": 0, "price": 0.0}] * (LEVELS - len(rows))


def _columns(candles: list[Candle], *, with_oi: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "open": [number(candle.open) for candle in candles],
        "high": [number(candle.high) for candle in candles],
        "low": [number(candle.low) for candle in candles],
        "close": [number(candle.close) for candle in candles],
        "volume": [candle.volume for candle in candles],
        "timestamp": [int(candle.at.timestamp()) for candle in candles],
    }
    if with_oi:
        columns["open_interest"] = [candle.oi or 0 for candle in candles]
    return columns


def _moment(text: object) -> datetime:
    """`YYYY-MM-DD HH:MM:SS`, or the date alone: its midnight."""
    for pattern in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(str(text), pattern).replace(tzinfo=IST)
        except ValueError:
            continue
    raise DhanError.bad_input("Invalid date")
