"""XTS' view of what is listed: segments and numbers, the instrument files, quotes and candles (xts.md 7 and 8)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Interval, Level
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.message import Request
from ordod.sim.xts.envelope import XtsError, number

__all__ = ["Contract", "Market"]

SEGMENTS = {"NSECM": 1, "NSEFO": 2, "NSECD": 3, "BSECM": 11, "BSEFO": 12, "MCXFO": 51}
PLACES = {
    Exchange.NSE: "NSECM",
    Exchange.NSE_INDEX: "NSECM",
    Exchange.NFO: "NSEFO",
    Exchange.CDS: "NSECD",
    Exchange.BSE: "BSECM",
    Exchange.BSE_INDEX: "BSECM",
    Exchange.BFO: "BSEFO",
    Exchange.MCX: "MCXFO",
}
INDEX_WORDS = {"NIFTY": "NIFTY 50", "BANKNIFTY": "NIFTY BANK", "FINNIFTY": "NIFTY FIN SERVICE"}
COMPRESSIONS = {
    "60": Interval.M1,
    "180": Interval.M3,
    "300": Interval.M5,
    "600": Interval.M10,
    "900": Interval.M15,
    "1800": Interval.M30,
    "3600": Interval.H1,
    "D": Interval.D1,
}
QUOTED_MAX = 50
LONGEST = timedelta(days=6)
LEVELS = 5
EPOCH = datetime(1980, 1, 1, tzinfo=IST)
INDEX_STOCKS = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "SENSEX"})


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in XTS' words."""

    segment: str
    number: int
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.instrument.kind is InstrumentKind.INDEX


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on."""
        contracts = [_contract(listing.instrument) for listing in listings]
        self._by_number = {(SEGMENTS[one.segment], one.number): one for one in contracts}
        self._by_symbol = {one.symbol: one for one in contracts}

    def find(self, segment: object, name: object) -> Contract:
        """What can be traded. Raises XtsError."""
        found = self.numbered(SEGMENTS.get(str(segment)), name)
        if found is None or found.is_index:
            raise XtsError("e-instrument-0001", "Instrument not found")
        return found

    def numbered(self, segment: object, name: object) -> Contract | None:
        if isinstance(segment, int) and isinstance(name, int):
            return self._by_number.get((segment, name))
        return None

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def master(self, body: Mapping[str, Any]) -> str:
        """`POST /instruments/master`: a text of rows."""
        asked = body.get("exchangeSegmentList")
        if not isinstance(asked, list) or not all(one in SEGMENTS for one in asked):
            raise XtsError.bad_input("exchangeSegmentList")
        rows = [_row(one) for one in self._by_number.values() if one.segment in asked]
        return "\n".join(row for row in rows if row)

    def indices(self, request: Request) -> dict[str, Any]:
        """`GET /instruments/indexlist`."""
        segment = request.one("exchangeSegment")
        found = [
            f"{INDEX_WORDS.get(one.instrument.name or '', one.instrument.broker_symbol)}_{one.number}"
            for (place, _), one in self._by_number.items()
            if str(place) == segment and one.is_index
        ]
        return {"exchangeSegment": int(segment or 0), "indexList": found}

    def quotes(self, body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """`POST /instruments/quotes`: each quote a text of JSON; what is unknown is left out."""
        asked, code = body.get("instruments"), body.get("xtsMessageCode")
        if not isinstance(asked, list) or not 0 < len(asked) <= QUOTED_MAX:
            raise XtsError.bad_input("instruments")
        if code not in {1501, 1502} or body.get("publishFormat") != "JSON":
            raise XtsError.bad_input("xtsMessageCode")
        found = (
            self.numbered(one.get("exchangeSegment"), one.get("exchangeInstrumentID"))
            for one in asked
        )
        told = [self._quote(one, code, now) for one in found if one is not None]
        return {
            "mdp": code,
            "quotesList": asked,
            "listQuotes": [orjson.dumps(one).decode() for one in reversed(told)],
        }

    def _quote(self, contract: Contract, code: int, now: datetime) -> dict[str, Any]:
        quote = self._paper.quote(contract.symbol, now)
        buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
        at = int((now - EPOCH).total_seconds())
        bids, asks = _levels(buy), _levels(sell)
        touch = {
            "BidInfo": bids[0],
            "AskInfo": asks[0],
            "LastTradedPrice": number(quote.last_price),
            "LastTradedQunatity": 1,
            "TotalBuyQuantity": sum(level.quantity for level in buy),
            "TotalSellQuantity": sum(level.quantity for level in sell),
            "TotalTradedQuantity": quote.volume or 0,
            "AverageTradedPrice": number(quote.average_price or quote.last_price),
            "LastTradedTime": at,
            "LastUpdateTime": at,
            "PercentChange": 0,
            "Open": number(quote.open_price),
            "High": number(quote.high_price),
            "Low": number(quote.low_price),
            "Close": number(quote.close_price),
            "TotalValueTraded": None,
        }
        told = {
            "MessageCode": code,
            "ExchangeSegment": SEGMENTS[contract.segment],
            "ExchangeInstrumentID": contract.number,
            "ExchangeTimeStamp": at,
            "BookType": 1,
            "XMarketType": 1,
            "SequenceNumber": 0,
        }
        if code == 1502:
            return told | {"Bids": bids, "Asks": asks, "Touchline": touch}
        return told | {"Touchline": touch}

    def candles(self, request: Request, now: datetime) -> dict[str, Any]:
        """`GET /instruments/ohlc`; a stamp is the Indian wall clock read as UTC."""
        interval = COMPRESSIONS.get(request.one("compressionValue"))
        segment, name = request.one("exchangeSegment"), request.one("exchangeInstrumentID")
        contract = self.numbered(SEGMENTS.get(segment), int(name) if name.isdigit() else None)
        if interval is None or contract is None:
            raise XtsError.bad_input("compressionValue")
        start, end = _moment(request.one("startTime")), _moment(request.one("endTime"))
        if end - start > LONGEST:
            raise XtsError.bad_input("endTime")
        found = self._paper.candles(contract.symbol, interval, start, end, now)
        shift = timedelta(hours=5, minutes=30).total_seconds()
        rows = [
            f"{int(c.at.timestamp() + shift)}|{c.open}|{c.high}|{c.low}|{c.close}|{c.volume}|{c.oi or 0}|"
            for c in found
        ]
        return {
            "exchangeSegment": segment,
            "exchangeInstrumentID": name,
            "dataReponse": ",".join(rows),
        }


def _contract(instrument: Instrument) -> Contract:
    return Contract(
        segment=PLACES[instrument.exchange],
        number=int(instrument.instrument_token),
        instrument=instrument,
    )


def _row(contract: Contract) -> str:
    """22 fields in cash; 23 of an option, 21 of a future. BSE's indices stand in it, NSE's do not."""
    one = contract.instrument
    name = one.name or one.broker_symbol
    if one.expiry is None:
        if contract.is_index and contract.segment == "NSECM":
            return ""
        series = "SPOT" if contract.is_index else "EQ" if one.exchange is Exchange.NSE else "A"
        more = [
            f"{name} LTD",
            f"INE{contract.number:0>9}",
            "1",
            "1",
            f"{name}-{series}",
            "0",
            "0",
            "0",
        ]
        cells = _first(contract, name, series, f"{name}-{series}")
    else:
        is_index, is_option = name in INDEX_STOCKS, one.strike is not None
        word = "COM" if contract.segment == "MCXFO" else "IDX" if is_index else "STK"
        series = f"OPT{word}" if is_option else f"FUT{word}"
        described = f"{name}{one.expiry:%y%b}".upper()
        more = ["-1", "", f"{one.expiry:%Y-%m-%d}T14:30:00"]
        if is_option:
            more += [str(number(one.strike)), "3" if one.kind is InstrumentKind.CALL else "4"]
        more += [one.symbol.partition(":")[2], "1", "1", described]
        cells = _first(contract, name, series, described)
    return "|".join(str(cell) for cell in (*cells, *more))


def _first(contract: Contract, name: str, series: str, described: str) -> list[Any]:
    """The 14 fields that all rows begin with."""
    one = contract.instrument
    return [
        contract.segment,
        contract.number,
        8 if one.expiry is None else 2 if one.strike is not None else 1,
        name,
        described,
        series,
        f"{name}-{series}",
        f"{SEGMENTS[contract.segment]}{contract.number:0>12}",
        0,
        0,
        one.freeze_quantity or 0,
        number(one.tick_size),
        one.lot_size or 1,
        1,
    ]


def _levels(levels: tuple[Level, ...]) -> list[dict[str, Any]]:
    rows = [
        {
            "Size": level.quantity,
            "Price": number(level.price),
            "TotalOrders": level.orders or 1,
            "BuyBackMarketMaker": 0,
        }
        for level in levels[:LEVELS]
    ]
    empty = {"Size": 0, "Price": 0, "TotalOrders": 0, "BuyBackMarketMaker": 0}
    return rows + [empty] * (LEVELS - len(rows))


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%b %d %Y %H%M%S").replace(tzinfo=IST)
    except ValueError:
        raise XtsError.bad_input("startTime, endTime") from None
