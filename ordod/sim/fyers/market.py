"""FYERS' view of what is listed: tickers and fyTokens, the instrument files, quotes, depth and history (fyers.md 7 and 8)."""

from datetime import datetime, time, timedelta
from typing import Any

from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Interval, Level
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.fyers.envelope import FyersError, number
from ordod.sim.message import Request

__all__ = ["HSM_INDICES", "Contract", "Market"]

FILES = {  # exchange and segment -> the file's base
    (10, 10): "NSE_CM",
    (10, 11): "NSE_FO",
    (10, 12): "NSE_CD",
    (12, 10): "BSE_CM",
    (12, 11): "BSE_FO",
    (11, 20): "MCX_COM",
}
PLACES = {
    Exchange.NSE: (10, 10),
    Exchange.NSE_INDEX: (10, 10),
    Exchange.NFO: (10, 11),
    Exchange.CDS: (10, 12),
    Exchange.BSE: (12, 10),
    Exchange.BSE_INDEX: (12, 10),
    Exchange.BFO: (12, 11),
    Exchange.MCX: (11, 20),
}
PREFIXES = {10: "NSE", 11: "MCX", 12: "BSE"}
INDEX_TICKERS = {"NIFTY": "NIFTY50", "BANKNIFTY": "NIFTYBANK"}
HSM_SEGMENTS = {
    (10, 10): "nse_cm",
    (10, 11): "nse_fo",
    (10, 12): "cde_fo",
    (10, 20): "nse_com",
    (11, 20): "mcx_fo",
    (12, 10): "bse_cm",
    (12, 11): "bse_fo",
    (12, 12): "bcs_fo",
}
HSM_INDICES = {  # as the file that FYERS publishes has them
    "NSE:NIFTY50-INDEX": "Nifty 50",
    "NSE:NIFTYBANK-INDEX": "Nifty Bank",
    "NSE:FINNIFTY-INDEX": "Nifty Fin Service",
    "NSE:MIDCPNIFTY-INDEX": "NIFTY MID SELECT",
    "NSE:INDIAVIX-INDEX": "India VIX",
    "NSE:NIFTYNXT50-INDEX": "Nifty Next 50",
    "NSE:NIFTY500-INDEX": "Nifty 500",
    "NSE:NIFTYMIDCAP100-INDEX": "NIFTY MIDCAP 100",
    "BSE:SENSEX-INDEX": "SENSEX",
    "BSE:BANKEX-INDEX": "BANKEX",
}
SCALES = {(10, 12): (1, 4), (11, 20): (100, 0)}  # multiplier and precision; elsewhere 1 and 2
RESOLUTIONS = {
    "1": Interval.M1,
    "3": Interval.M3,
    "5": Interval.M5,
    "10": Interval.M10,
    "15": Interval.M15,
    "30": Interval.M30,
    "60": Interval.H1,
    "D": Interval.D1,
    "1D": Interval.D1,
}
QUOTED_MAX = 50
LEVELS = 5
EXPIRES = time(14, 30)


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in FYERS' words. `lot`: units that a quantity of one is; `least`: what orders are multiples of."""

    ticker: str
    token: str
    exchange: int
    segment: int
    kind: int  # FYERS' instrument type
    lot: int
    least: int
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_index(self) -> bool:
        return self.instrument.kind is InstrumentKind.INDEX

    @property
    def scale(self) -> tuple[int, int]:
        """Multiplier and precision of its pushed prices."""
        return SCALES.get((self.exchange, self.segment), (1, 2))

    @property
    def feeds(self) -> tuple[str, ...]:
        """What HSM calls its prices and its book; an index has none."""
        segment = HSM_SEGMENTS[self.exchange, self.segment]
        if self.is_index:
            plain = self.ticker.partition(":")[2].partition("-")[0]
            return (f"if|{segment}|{HSM_INDICES.get(self.ticker, plain)}",)
        return f"sf|{segment}|{self.token[10:]}", f"dp|{segment}|{self.token[10:]}"


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        """What is traded from now on."""
        contracts = [_contract(listing.instrument) for listing in listings]
        self._by_ticker = {contract.ticker: contract for contract in contracts}
        self._by_symbol = {contract.symbol: contract for contract in contracts}
        self._by_feed = {feed: contract for contract in contracts for feed in contract.feeds}

    def find(self, ticker: object) -> Contract:
        """What can be traded under this ticker. Raises FyersError."""
        contract = self._by_ticker.get(str(ticker))
        if contract is None or contract.is_index:
            raise FyersError(400, -300, "Invalid symbol")
        return contract

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    def of_feed(self, name: str) -> Contract | None:
        """Whose feed HSM calls so."""
        return self._by_feed.get(name)

    def tokens(self, tickers: list[Any]) -> tuple[dict[str, str], list[Any]]:
        """`POST /symbol-token`: the fyTokens of tickers, and what is no ticker."""
        known = {one: self._by_ticker[one].token for one in tickers if one in self._by_ticker}
        return known, [one for one in tickers if one not in known]

    def csv(self, base: str, now: datetime) -> bytes | None:
        """One of the files; None: there is none of this name."""
        if base not in FILES.values():
            return None
        rows = [
            _line(contract, now)
            for contract in self._by_ticker.values()
            if FILES[contract.exchange, contract.segment] == base
        ]
        return "".join(rows).encode() or EMPTY[base]

    def quotes(self, request: Request, now: datetime) -> list[dict[str, Any]]:
        """`GET /quotes`: a bad symbol has an error of its own."""
        wanted = request.one("symbols").split(",")
        if len(wanted) > QUOTED_MAX:
            raise FyersError.bad_input("symbols: at most 50")
        return [self._quote(ticker, now) for ticker in wanted]

    def depth(self, request: Request, now: datetime) -> dict[str, Any]:
        """`GET /depth`: one symbol."""
        ticker = request.one("symbol")
        contract = self._by_ticker.get(ticker)
        if contract is None:
            raise FyersError(400, -300, "Invalid symbol")
        quote = self._paper.quote(contract.symbol, now)
        buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
        volume = (quote.volume or 0) // contract.lot
        told = {
            "totalbuyqty": sum(level.quantity for level in buy) // contract.lot,
            "totalsellqty": sum(level.quantity for level in sell) // contract.lot,
            "bids": _levels(buy, contract),
            "ask": _levels(sell, contract),
            "o": number(quote.open_price),
            "h": number(quote.high_price),
            "l": number(quote.low_price),
            "c": number(quote.close_price),
            "tick_Size": number(contract.instrument.tick_size),
            "ltq": 1,
            "ltt": int(now.timestamp()),
            "ltp": number(quote.last_price),
            "v": volume,
            "atp": number(quote.average_price or quote.last_price),
            "lower_ckt": number(quote.lower_circuit),
            "upper_ckt": number(quote.upper_circuit),
            "expiry": "",
            "oi": (quote.oi or 0) // contract.lot,
            "oiflag": contract.instrument.expiry is not None,
        }
        return {ticker: told}

    def history(self, request: Request, now: datetime) -> list[list[float]]:
        """`GET /history`; the candle of now, unfinished, is told too."""
        contract = self._by_ticker.get(request.one("symbol"))
        interval = RESOLUTIONS.get(request.one("resolution"))
        if contract is None or interval is None:
            raise FyersError(400, -300 if contract is None else -50, "Invalid input")
        by_date = request.one("date_format") == "1"
        start = _moment(request.one("range_from"), by_date=by_date)
        end = _moment(request.one("range_to"), by_date=by_date)
        if by_date:
            end += timedelta(days=1, seconds=-1)
        most = timedelta(days=367 if interval is Interval.D1 else 100)
        if end - start > most:
            raise FyersError.bad_input("range_to: the range is too long")
        found = self._paper.candles(contract.symbol, interval, start, end, now)
        with_oi = request.one("oi_flag") == "1"
        return [
            [
                int(c.at.timestamp()),
                *(number(price) for price in (c.open, c.high, c.low, c.close)),
                c.volume // contract.lot,
                *([(c.oi or 0) // contract.lot] if with_oi else []),
            ]
            for c in found
        ]

    def _quote(self, ticker: str, now: datetime) -> dict[str, Any]:
        contract = self._by_ticker.get(ticker)
        if contract is None:
            error = {"code": -300, "errmsg": "Invalid symbol"}
            return {"n": ticker, "s": "error", "v": error}
        quote = self._paper.quote(contract.symbol, now)
        best = quote.depth
        told = {
            "ch": number(quote.last_price - (quote.close_price or quote.last_price)),
            "lp": number(quote.last_price),
            "ask": number(best.sell[0].price) if best and best.sell else 0,
            "bid": number(best.buy[0].price) if best and best.buy else 0,
            "open_price": number(quote.open_price),
            "high_price": number(quote.high_price),
            "low_price": number(quote.low_price),
            "prev_close_price": number(quote.close_price),
            "atp": number(quote.average_price or quote.last_price),
            "volume": (quote.volume or 0) // contract.lot,
            "exchange": PREFIXES[contract.exchange],
            "symbol": ticker,
            "fyToken": contract.token,
            "tt": str(int(now.timestamp())),
        }
        return {"n": ticker, "s": "ok", "v": told}


EMPTY = {  # of what the paper exchange does not list: one contract that nobody trades
    "NSE_CD": b"1012261229010093,USDINR 29 Dec 26 FUT,16,1,0.0025,,0900-1700:,2026-11-25,1798531200,NSE:USDINR26DECFUT,10,12,10093,USDINR,1,-1.0,XX,0,None,0,0\n",
    "BSE_FO": b"1211261231001101,SENSEX 31 Dec 26 FUT,11,20,0.05,,0915-1530:,2026-11-25,1798704000,BSE:SENSEX26DECFUT,12,11,1101,SENSEX,1,-1.0,XX,0,None,0,0\n",
}


def _contract(instrument: Instrument) -> Contract:
    exchange, segment = PLACES[instrument.exchange]
    in_lots = segment in {12, 20}
    size = instrument.lot_size or 1
    expiry = f"{instrument.expiry:%y%m%d}" if instrument.expiry else "000000"
    return Contract(
        ticker=f"{PREFIXES[exchange]}:{_name(instrument)}",
        token=f"{exchange}{segment}{expiry}{instrument.instrument_token}",
        exchange=exchange,
        segment=segment,
        kind=_kind(instrument),
        lot=size if in_lots else 1,
        least=1 if in_lots else size,
        instrument=instrument,
    )


def _name(instrument: Instrument) -> str:
    name = instrument.broker_symbol
    if instrument.kind is InstrumentKind.INDEX:
        return f"{INDEX_TICKERS.get(name, name)}-INDEX"
    if instrument.expiry is None:
        return f"{name}-{'EQ' if instrument.exchange is Exchange.NSE else 'A'}"
    month = f"{instrument.expiry:%y%b}".upper()
    strike = "" if instrument.strike is None else f"{instrument.strike:f}"
    return f"{instrument.name}{month}{strike}{instrument.kind}"


def _kind(instrument: Instrument) -> int:
    is_option = instrument.strike is not None
    match instrument.exchange:
        case Exchange.NSE_INDEX | Exchange.BSE_INDEX:
            return 10
        case Exchange.NSE | Exchange.BSE:
            return 0
        case Exchange.MCX:
            return 30
        case _:
            is_index = instrument.name in {"NIFTY", "BANKNIFTY", "FINNIFTY", "SENSEX"}
            return (14 if is_option else 11) if is_index else (15 if is_option else 13)


def _line(contract: Contract, now: datetime) -> str:
    """21 columns and no header."""
    one = contract.instrument
    ends = datetime.combine(one.expiry, EXPIRES, IST) if one.expiry else None
    is_cash = contract.segment == 10
    cells = (
        contract.token,
        f"{one.name} LTD" if is_cash else one.symbol.partition(":")[2],
        contract.kind,
        contract.least,
        number(one.tick_size),
        f"INE{one.instrument_token:0>9}" if is_cash and not contract.is_index else "",
        "0915-1530|1815-1915:",
        f"{now:%Y-%m-%d}",
        int(ends.timestamp()) if ends else "",
        contract.ticker,
        contract.exchange,
        contract.segment,
        one.instrument_token,
        one.name if one.expiry else one.broker_symbol,
        "",
        number(one.strike) if one.strike is not None else "-1.0",
        one.kind if one.strike is not None else "XX",
        "",
        "None",
        "0",
        "0.0",
    )
    return ",".join(str(cell) for cell in cells) + "\n"


def _levels(levels: tuple[Level, ...], contract: Contract) -> list[dict[str, Any]]:
    rows = [
        {
            "price": number(level.price),
            "volume": level.quantity // contract.lot,
            "ord": level.orders or 1,
        }
        for level in levels[:LEVELS]
    ]
    return rows + [{"price": 0, "volume": 0, "ord": 0}] * (LEVELS - len(rows))


def _moment(text: str, *, by_date: bool) -> datetime:
    try:
        if by_date:
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=IST)
        return datetime.fromtimestamp(int(text), IST)
    except (ValueError, OverflowError, OSError):
        raise FyersError.bad_input("range_from, range_to: Invalid input") from None
