"""SmartAPI's view of what is listed: its names and tokens, the instrument file, quotes and candles (angelone.md 7, 8)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Interval, Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.angelone.envelope import AngelError, number
from ordod.sim.clock import IST
from ordod.sim.message import Answer

__all__ = ["Contract", "Market", "stamp"]

INDICES = {  # name -> token, symbol
    "NIFTY": ("99926000", "Nifty 50"),
    "BANKNIFTY": ("99926009", "Nifty Bank"),
    "FINNIFTY": ("99926037", "Nifty Fin Service"),
    "INDIAVIX": ("99926017", "India VIX"),
    "SENSEX": ("99919000", "SENSEX"),
}
INDEX_EXCHANGES = {Exchange.NSE_INDEX: "NSE", Exchange.BSE_INDEX: "BSE"}
INTERVALS = {  # the most days of one request
    "ONE_MINUTE": (Interval.M1, 30),
    "THREE_MINUTE": (Interval.M3, 60),
    "FIVE_MINUTE": (Interval.M5, 100),
    "TEN_MINUTE": (Interval.M10, 100),
    "FIFTEEN_MINUTE": (Interval.M15, 200),
    "THIRTY_MINUTE": (Interval.M30, 200),
    "ONE_HOUR": (Interval.H1, 400),
    "ONE_DAY": (Interval.D1, 2000),
}
MODES = ("LTP", "OHLC", "FULL")
QUOTED_MAX = 50
LEVELS = 5


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in SmartAPI's words."""

    exchange: str
    tradingsymbol: str
    token: str
    name: str
    instrumenttype: str
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.instrumenttype == "AMXIDX"


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on."""
        self.contracts = tuple(_contract(listing.instrument) for listing in listings)
        self._by_token = {(c.exchange, c.token): c for c in self.contracts}
        self._by_symbol = {c.symbol: c for c in self.contracts}

    def find(self, exchange: str, token: str, tradingsymbol: str | None = None) -> Contract:
        """What can be traded under this token, and symbol where one is named. Raises AngelError."""
        if not token:
            raise AngelError("AB4018", "Symbol token cannot be empty")
        found = self._by_token.get((exchange, token))
        if found is None or found.is_index:
            raise AngelError("AB1018", "Failed to Get Symbol Details")
        if tradingsymbol is not None and found.tradingsymbol != tradingsymbol:
            raise AngelError("AB1009", "Symbol Not Found")
        return found

    def known(self, exchange: str, token: str) -> Contract | None:
        """Whatever is quoted under this token."""
        return self._by_token.get((exchange, token))

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def quote(self, symbol: str, now: datetime) -> Quote:
        return self._paper.quote(symbol, now)

    def file(self) -> Answer:
        """`OpenAPIScripMaster.json`."""
        rows = [_master_row(contract) for contract in self.contracts]
        return Answer(200, (("content-type", "application/json"),), orjson.dumps(rows))

    def search(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """`POST searchScrip`."""
        exchange, words = asked.get("exchange"), str(asked.get("searchscrip")).upper()
        return [
            {"exchange": c.exchange, "tradingsymbol": c.tradingsymbol, "symboltoken": c.token}
            for c in self.contracts
            if c.exchange == exchange and words in c.tradingsymbol.upper()
        ]

    def quotes(self, asked: dict[str, Any], now: datetime) -> dict[str, Any]:
        """`POST market/v1/quote`."""
        mode, tokens = asked.get("mode"), asked.get("exchangeTokens")
        if mode not in MODES or not isinstance(tokens, dict) or not tokens:
            raise AngelError("AB1004", "Something Went Wrong, invalid mode or tokens")
        wanted = [(exchange, str(token)) for exchange, each in tokens.items() for token in each]
        if len(wanted) > QUOTED_MAX:
            raise AngelError("AB1004", f"Something Went Wrong, more than {QUOTED_MAX} tokens")
        fetched, unfetched = [], []
        for exchange, token in wanted:
            contract = self._by_token.get((exchange, token))
            if contract is None:
                code = {"message": "Symbol token not found", "errorCode": "AB4046"}
                unfetched.append({"exchange": exchange, "symbolToken": token, **code})
            else:
                fetched.append(_quote_row(contract, self.quote(contract.symbol, now), mode))
        return {"fetched": fetched, "unfetched": unfetched}

    def ltp(self, asked: dict[str, Any], now: datetime) -> dict[str, Any]:
        """`POST getLtpData`: one instrument."""
        found = self._by_token.get((str(asked.get("exchange")), str(asked.get("symboltoken"))))
        if found is None or found.tradingsymbol != asked.get("tradingsymbol"):
            raise AngelError("AB1018", "Failed to Get Symbol Details")
        quote = self.quote(found.symbol, now)
        return {
            "exchange": found.exchange,
            "tradingsymbol": found.tradingsymbol,
            "symboltoken": found.token,
            **_ohlc(quote),
            "ltp": number(quote.last_price),
        }

    def candles(self, asked: dict[str, Any], now: datetime) -> list[list[Any]] | None:
        """`POST getCandleData`: oldest first, the end included; null where there are none."""
        contract = self._by_token.get((str(asked.get("exchange")), str(asked.get("symboltoken"))))
        if contract is None or asked.get("interval") not in INTERVALS:
            raise AngelError("AB1004", "Something Went Wrong, Please Try After Sometime")
        interval, days_max = INTERVALS[asked["interval"]]
        start, end = _moment(asked.get("fromdate")), _moment(asked.get("todate"))
        if not timedelta(0) <= end - start <= timedelta(days=days_max):
            raise AngelError("AB1004", "Something Went Wrong, Please Try After Sometime")
        found = self._paper.candles(contract.symbol, interval, start, end, now)
        rows: list[list[Any]] = []
        for candle in found:
            prices = (candle.open, candle.high, candle.low, candle.close)
            at = candle.at.astimezone(IST).isoformat(timespec="seconds")
            rows.append([at, *map(number, prices), candle.volume])
        return rows or None


def stamp(at: datetime | None) -> str:
    return f"{at:%d-%b-%Y %H:%M:%S}" if at else ""


def _contract(instrument: Instrument) -> Contract:
    exchange = INDEX_EXCHANGES.get(instrument.exchange, str(instrument.exchange))
    token, symbol, kind = instrument.instrument_token, instrument.broker_symbol, ""
    if instrument.kind is InstrumentKind.INDEX:
        token, symbol = INDICES[instrument.name]
        kind = "AMXIDX"
    elif instrument.exchange is Exchange.NSE:
        symbol = f"{symbol}-EQ"
    elif instrument.expiry is not None:
        whose = "IDX" if instrument.name in INDICES else "STK"
        if instrument.kind is InstrumentKind.FUTURE:
            kind = "FUTCOM" if exchange == "MCX" else f"FUT{whose}"
        else:
            kind = "OPTFUT" if exchange == "MCX" else f"OPT{whose}"
    return Contract(
        exchange=exchange,
        tradingsymbol=symbol,
        token=token,
        name=instrument.name,
        instrumenttype=kind,
        instrument=instrument,
    )


def _master_row(contract: Contract) -> dict[str, str]:
    """Strike and tick in paise, as text with six decimals."""
    one = contract.instrument
    strike = Decimal(-1) if one.strike is None else one.strike * 100
    tick = Decimal(0) if contract.is_index else one.tick_size * 100
    return {
        "token": contract.token,
        "symbol": contract.tradingsymbol,
        "name": contract.name,
        "expiry": f"{one.expiry:%d%b%Y}".upper() if one.expiry else "",
        "strike": f"{strike:.6f}",
        "lotsize": str(one.lot_size or 1),
        "instrumenttype": contract.instrumenttype,
        "exch_seg": contract.exchange,
        "tick_size": f"{tick:.6f}",
    }


def _ohlc(quote: Quote) -> dict[str, float]:
    return {
        "open": number(quote.open_price),
        "high": number(quote.high_price),
        "low": number(quote.low_price),
        "close": number(quote.close_price),
    }


def _quote_row(contract: Contract, quote: Quote, mode: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "exchange": contract.exchange,
        "tradingSymbol": contract.tradingsymbol,
        "symbolToken": contract.token,
        "ltp": number(quote.last_price),
    }
    if mode == "LTP":
        return row
    row |= _ohlc(quote)
    if mode == "OHLC":
        return row
    close = quote.close_price or quote.last_price
    change = quote.last_price - close
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    return row | {
        "lastTradeQty": contract.instrument.lot_size or 0,
        "exchFeedTime": stamp(quote.at),
        "exchTradeTime": stamp(quote.at),
        "netChange": number(change),
        "percentChange": round(float(change / close * 100), 2),
        "avgPrice": number(quote.average_price),
        "tradeVolume": quote.volume or 0,
        "opnInterest": quote.oi or 0,
        "lowerCircuit": number(quote.lower_circuit),
        "upperCircuit": number(quote.upper_circuit),
        "totBuyQuan": sum(level.quantity for level in buy),
        "totSellQuan": sum(level.quantity for level in sell),
        "52WeekLow": number(quote.low_price),
        "52WeekHigh": number(quote.high_price),
        "depth": {"buy": _levels(buy), "sell": _levels(sell)},
    }


def _levels(levels: tuple[Level, ...]) -> list[dict[str, Any]]:
    rows = [
        {"price": number(level.price), "quantity": level.quantity, "orders": level.orders or 1}
        for level in levels[:LEVELS]
    ]
    return rows + [{"price": 0.0, "quantity": 0, "orders": 0}] * (LEVELS - len(rows))


def _moment(said: Any) -> datetime:
    try:
        return datetime.strptime(str(said), "%Y-%m-%d %H:%M").replace(tzinfo=IST)
    except ValueError:
        raise AngelError("AB1004", "Something Went Wrong, invalid date") from None
