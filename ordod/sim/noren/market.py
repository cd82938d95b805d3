"""Noren's view of what is listed: symbols and tokens, the instrument files, quotes and candles (noren.md 7 and 8)."""

from datetime import UTC, datetime, time
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Interval, Level
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.market import Listing
from ordod.sim.clock import IST
from ordod.sim.noren.envelope import NO_DATA, NorenError, number, text_of
from ordod.sim.noren.members import Profile

__all__ = ["Contract", "Market"]

PREFIXES = {Exchange.NSE_INDEX: "NSE", Exchange.BSE_INDEX: "BSE"}
INDEX_NAMES = {"NIFTY": ("26000", "Nifty 50"), "BANKNIFTY": ("26009", "Nifty Bank")}
INDEX_UNDERLYINGS = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "SENSEX"})
INTERVALS = {
    "1": Interval.M1,
    "3": Interval.M3,
    "5": Interval.M5,
    "10": Interval.M10,
    "15": Interval.M15,
    "30": Interval.M30,
    "60": Interval.H1,
}
LEVELS = 5
ROWS_MAX = 1201
EMPTY = {  # of what the paper exchange does not list: one contract that nobody trades
    "CDS": "CDS,10093,1000,USDINR,USDINR29DEC26F,FUTCUR,0.0025,29-DEC-2026,XX,0",
    "BFO": "BFO,1101,20,SENSEX,SENSEX26DECFUT,FUTIDX,0.05,31-DEC-2026,XX,0",
}


class Contract(Struct, frozen=True, kw_only=True):
    """One instrument in Noren's words."""

    exch: str
    tsym: str
    token: str
    kind: str
    instrument: Instrument

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def names(self) -> dict[str, str]:
        one = self.instrument
        lot, tick = str(one.lot_size or 1), str(one.tick_size)
        return {"exch": self.exch, "tsym": self.tsym, "token": self.token, "ls": lot, "ti": tick}


class Market:
    """Finds contracts and asks the exchange for their prices."""

    def __init__(self, profile: Profile, listings: tuple[Listing, ...], paper: Paper) -> None:
        self._profile = profile
        self._paper = paper
        self.take_in(listings)

    def take_in(self, listings: tuple[Listing, ...]) -> None:
        contracts = [_contract(listing.instrument) for listing in listings]
        self._by_name = {(one.exch, one.tsym): one for one in contracts}
        self._by_token = {(one.exch, one.token): one for one in contracts}
        self._by_symbol = {one.symbol: one for one in contracts}

    def find(self, body: dict[str, Any]) -> Contract:
        """What can be traded under `exch` and `tsym`. Raises NorenError."""
        found = self._by_name.get((text_of(body, "exch"), text_of(body, "tsym")))
        if found is None or found.instrument.kind is InstrumentKind.INDEX:
            raise NorenError("Invalid Input :  Invalid Trading Symbol")
        return found

    def of(self, symbol: str) -> Contract:
        return self._by_symbol[symbol]

    # Files

    def file(self, path: str) -> bytes | None:
        """None: there is none of this name."""
        wanted = self._profile.files.get(path)
        if wanted is None:
            return None
        rows = [_line(self._profile, one) for one in self._by_name.values() if _is_in(one, wanted)]
        extra = EMPTY.get(wanted[0], "") if not rows and "Equity" not in path else ""
        head = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize"
        if self._profile.is_keyed:
            return _flat([*rows, *filter(None, [extra])])
        if wanted[0] not in {"NSE", "BSE"}:
            head += ",Expiry,OptionType,StrikePrice"
        text = "".join(f"{line},\n" for line in [head, *rows, *filter(None, [extra])])
        packed = BytesIO()
        with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
            archive.writestr(path.strip("/").removesuffix(".zip"), text)
        return packed.getvalue()

    # Prices

    def quote(self, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        contract = self._of_token(body)
        quote = self._paper.quote(contract.symbol, now)
        told = {
            **contract.names,
            "lp": number(quote.last_price),
            "o": number(quote.open_price),
            "h": number(quote.high_price),
            "l": number(quote.low_price),
            "c": number(quote.close_price),
            "v": str(quote.volume or 0),
            "ap": number(quote.average_price or quote.last_price),
            "ltt": f"{now.astimezone(IST):%H:%M:%S}",
            "uc": number(quote.upper_circuit),
            "lc": number(quote.lower_circuit),
        }
        if quote.oi:
            told["oi"] = str(quote.oi)
        if quote.depth:
            told |= _levels("b", quote.depth.buy) | _levels("s", quote.depth.sell)
        return {name: value for name, value in told.items() if value != "0.00"}

    def series(self, body: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
        """`TPSeries`: newest first."""
        contract, interval = self._of_token(body), INTERVALS.get(text_of(body, "intrv"))
        if interval is None:
            raise NorenError('Error Occurred : 2 "invalid input"')
        start, end = _moment(body, "st"), _moment(body, "et")
        found = self._paper.candles(contract.symbol, interval, start, end, now)
        return [
            {
                "stat": "Ok",
                "time": f"{c.at.astimezone(IST):%d-%m-%Y %H:%M:%S}",
                "ssboe": str(int(c.at.timestamp())),
                "into": number(c.open),
                "inth": number(c.high),
                "intl": number(c.low),
                "intc": number(c.close),
                "intvwap": number(c.close),
                "intv": str(c.volume),
                "intoi": str(c.oi or 0),
                "v": str(c.volume),
                "oi": str(c.oi or 0),
            }
            for c in reversed(found)
        ]

    def days(self, body: dict[str, Any], now: datetime) -> list[str]:
        """`EODChartData`: JSON in JSON; without today's."""
        exch, _, tsym = text_of(body, "sym").partition(":")
        contract = self._by_name.get((exch, tsym))
        if contract is None:
            return []
        start, end = _moment(body, "from"), _moment(body, "to")
        found = self._paper.candles(contract.symbol, Interval.D1, start, end, now)
        rows = [
            {
                "time": f"{c.at.astimezone(IST):%d-%b-%Y}".upper(),
                "into": number(c.open),
                "inth": number(c.high),
                "intl": number(c.low),
                "intc": number(c.close),
                "ssboe": str(int(datetime.combine(c.at.astimezone(IST), time(), UTC).timestamp())),
                "intv": str(c.volume),
            }
            for c in reversed(found)
            if c.at.astimezone(IST).date() < now.astimezone(IST).date()
        ]
        return [orjson.dumps(row).decode() for row in rows[:ROWS_MAX]]

    def _of_token(self, body: dict[str, Any]) -> Contract:
        found = self._by_token.get((text_of(body, "exch"), text_of(body, "token")))
        if found is None:
            raise NorenError(NO_DATA)
        return found


def _contract(one: Instrument) -> Contract:
    exch = PREFIXES.get(one.exchange, str(one.exchange))
    token, name = one.instrument_token, one.broker_symbol
    if one.kind is InstrumentKind.INDEX:
        token, name = INDEX_NAMES.get(name, (token, name))
    elif one.expiry is None:
        name = f"{name}-EQ" if exch == "NSE" else name
    else:
        day = f"{one.name}{one.expiry:%d%b%y}".upper()
        if one.strike is not None:
            name = f"{day}{'C' if one.kind is InstrumentKind.CALL else 'P'}{one.strike:f}"
        else:
            name = day if exch == "MCX" else f"{day}F"
    return Contract(exch=exch, tsym=name, token=token, kind=_kind(one, exch), instrument=one)


def _kind(one: Instrument, exch: str) -> str:
    if one.expiry is None:
        return "INDEX" if one.kind is InstrumentKind.INDEX else "EQ"
    is_option = one.strike is not None
    if exch == "MCX":
        return "OPTFUT" if is_option else "FUTCOM"
    return f"{'OPT' if is_option else 'FUT'}{'IDX' if one.name in INDEX_UNDERLYINGS else 'STK'}"


def _is_in(contract: Contract, wanted: tuple[str, ...]) -> bool:
    return contract.exch == wanted[0] and (len(wanted) == 1 or contract.kind.endswith(wanted[1]))


def _line(profile: Profile, contract: Contract) -> str:
    one = contract.instrument
    tick = one.tick_size * (100 if profile.paise and one.expiry is None else 1)
    name = contract.tsym if one.kind is InstrumentKind.INDEX else one.name or one.broker_symbol
    cells = [contract.exch, contract.token, one.lot_size or 1, name, contract.tsym, contract.kind]
    cells.append(f"{tick.normalize():f}")
    if one.expiry is not None:
        word = one.kind if one.strike is not None else "XX"
        strike = "0" if one.strike is None else f"{one.strike:f}"
        cells += [f"{one.expiry:%d-%b-%Y}".upper(), str(word), strike]
    return ",".join(str(cell) for cell in cells)


def _flat(rows: list[str]) -> bytes:
    """Flattrade's columns: no tick size, the expiry before the strike."""
    lines = ["Exchange,Token,Lotsize,Symbol,Tradingsymbol,Instrument,Expiry,Strike,Optiontype"]
    for row in rows:
        cells = row.split(",")
        expiry, word, strike = cells[7:10] if len(cells) > 7 else ("", "", "")
        lines.append(",".join([*cells[:6], expiry, strike, word]))
    return "\r\n".join(lines).encode()


def _levels(side: str, levels: tuple[Level, ...]) -> dict[str, str]:
    told: dict[str, str] = {}
    for place, level in enumerate(levels[:LEVELS], 1):
        told |= {
            f"{side}p{place}": number(level.price),
            f"{side}q{place}": str(level.quantity),
            f"{side}o{place}": str(level.orders or 1),
        }
    return told


def _moment(body: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(text_of(body, name)), IST)
    except (ValueError, OverflowError, OSError):
        raise NorenError('Error Occurred : 2 "invalid input"') from None
