"""`market.*` and `instrument.*`: prices asked for, and what can be traded."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from msgspec import Meta, Struct

from ordod.core.account import Account
from ordod.core.candles import candles
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts
from ordod.core.sessions import SessionState
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Depth, Interval, Quote
from ordod.errors import Kind, OrdoError
from ordod.service.asking import READ_KINDS, Asking
from ordod.service.encoding import encoded_rows
from ordod.service.listings import Disagreement, Listing, disagreements, listings
from ordod.service.methods import Call, Example, Method, Role
from ordod.service.orders import Symbol
from ordod.service.params import AccountName, Instant, Label
from ordod.service.underlyings import contracts_of, known_expiries

__all__ = ["methods"]

HEAVY = ("market.candles", "instrument.get", "instrument.search")
CANDLES_MAX = 500_000  # what one answer holds: 40 MB of JSON

Symbols = Annotated[list[Symbol], Meta(min_length=1, max_length=1000)]


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for, and whom.

    Args:
        account: whose broker is asked; without, one that has a session.
    """

    symbols: Symbols
    account: AccountName | None = None


class Candles(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """Any range: it is asked for in parts, within the broker's limits.

    Args:
        interval: the length of a candle.
        from: the first instant; however long the range is, it is asked for in parts, within the broker's limits.
        to: the last instant.
        account: whose broker is asked; without, one that has a session.
        progress: a word of the caller's; until the answer comes, `progress` messages with it say how far the question
            is.
    """

    symbol: Symbol
    interval: Interval
    from_: Instant
    to: Instant
    account: AccountName | None = None
    progress: Label | None = None


class OneSymbol(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contract, and whose word counts.

    Args:
        account: whose broker is asked; without, one that has a session.
    """

    symbol: Symbol
    account: AccountName | None = None


class Search(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words, and whose instruments.

    Args:
        text: what people type: `nifty dec fut`, `infosys`, `bank nifty 56000 ce`.
        account: whose broker's instruments; without, one that has a session.
    """

    text: Annotated[str, Meta(min_length=1, max_length=64)]
    account: AccountName | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Expiries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An underlying, and whose instruments.

    Args:
        symbol: the underlying's (NSE_INDEX:NIFTY, NSE:INFY), or its name at the exchange of its contracts (NFO:NIFTY,
            MCX:GOLDM).
        account: whose broker's instruments; without, one that has a session.
    """

    symbol: Symbol
    account: AccountName | None = None


class Refresh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose instruments.

    Args:
        account: without, all.
    """

    account: AccountName | None = None


class Quotes(Struct, frozen=True):
    """By symbol as asked for; `missing`: those the broker is silent about.

    Args:
        quotes: by symbol as asked for.
    """

    quotes: dict[str, Quote]
    missing: list[str]


class LastPrice(Struct, frozen=True):
    last_price: Decimal


class LastPrices(Struct, frozen=True):
    """What the broker answers.

    Args:
        quotes: by symbol as asked for.
    """

    quotes: dict[str, LastPrice]
    missing: list[str]


class Depths(Struct, frozen=True):
    """What the broker answers.

    Args:
        quotes: by symbol as asked for.
    """

    quotes: dict[str, Depth]
    missing: list[str]


class CandleRows(Struct, frozen=True):
    """Each: at, open, high, low, close, volume, oi (null where there is none); oldest first.

    Args:
        candles: each [at, open, high, low, close, volume, oi], rupees and units, `oi` null where there is none; oldest
            first.
    """

    candles: list[tuple[datetime, Decimal, Decimal, Decimal, Decimal, int, int | None]]


class InstrumentAnswer(Struct, frozen=True):
    """The contract as the asked account's broker lists it, and at all configured brokers.

    Args:
        instrument: as the asked account's broker lists it.
        brokers: one row a configured broker.
        disagreements: where brokers tell different things of it.
    """

    instrument: Instrument
    brokers: list[Listing]
    disagreements: list[Disagreement]


class Found(Struct, frozen=True):
    """What was found.

    Args:
        instruments: the likeliest first.
    """

    instruments: list[Instrument]


class Expiry(Struct, frozen=True):
    """One day on which contracts end.

    Args:
        expiry: the day they end.
        kinds: FUT, CE, PE: what ends then.
    """

    expiry: date
    kinds: list[InstrumentKind]


class ExpiryList(Struct, frozen=True):
    """The nearest first. `exchange`: where the contracts trade.

    Args:
        exchange: where the contracts trade.
        name: of the underlying there.
        expiries: the nearest first.
    """

    exchange: Exchange
    name: str
    expiries: list[Expiry]


class Refreshed(Struct, frozen=True):
    """Broker -> how many instruments its new table has, or why it has none.

    Args:
        instruments: broker -> how many instruments its new table has, or why it has none.
    """

    instruments: dict[str, int | str]


class _Market:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asking = Asking(parts)

    async def _ask(self, params: Asked, operation: str) -> tuple[dict[str, Quote], list[str]]:
        account = self._asking.account(params.account, operation)
        await self._asking.ready(account)
        asked = {symbol: self._parts.desk.instrument(account, symbol) for symbol in params.symbols}
        quotes = await self._asking.quotes(account, asked.values(), operation)
        known = {s: quotes[i.symbol] for s, i in asked.items() if i.symbol in quotes}
        return known, [symbol for symbol in asked if symbol not in known]

    async def quote(self, _: Call, params: Asked) -> Quotes:
        return Quotes(*await self._ask(params, "quotes"))

    async def ltp(self, _: Call, params: Asked) -> LastPrices:
        quotes, missing = await self._ask(params, "ltp")
        return LastPrices({s: LastPrice(q.last_price) for s, q in quotes.items()}, missing)

    async def depth(self, _: Call, params: Asked) -> Depths:
        quotes, missing = await self._ask(params, "quotes")
        depths = {s: q.depth for s, q in quotes.items() if q.depth is not None}
        return Depths(depths, [*missing, *(s for s in quotes if s not in depths)])

    async def candles(self, call: Call, params: Candles) -> bytes:
        """JSON of CandleRows: half a million rows in one piece would hold the loop for a second."""
        if params.from_ >= params.to:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"from {params.from_.isoformat()} is not before to {params.to.isoformat()}",
                field="from",
                value=params.from_.isoformat(),
            )
        count = (params.to - params.from_) / params.interval.length
        if count > CANDLES_MAX * 4:  # markets are open a quarter of the day
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"that may be {count:.0f} candles of {params.interval}; ask for a shorter range",
                field="to",
                value=params.to.isoformat(),
            )
        told = _progress(call, params.progress)
        account = self._asking.account(params.account, "candles")
        await self._asking.ready(account)
        found = await candles(
            account,
            self._parts.desk.instrument(account, params.symbol),
            params.interval,
            params.from_,
            params.to,
            clock=self._parts.clock,
            told=told,
        )
        rows = [(c.at, c.open, c.high, c.low, c.close, c.volume, c.oi) for c in found]
        return b'{"candles":' + await encoded_rows(rows) + b"}"

    async def get(self, call: Call, params: OneSymbol) -> InstrumentAnswer:
        account = self._asking.account(params.account, "master")
        instrument = self._parts.desk.instrument(account, params.symbol)
        seen = [
            each
            for name, each in self._parts.accounts.items()
            if call.caller.role_for(name) >= Role.READ
        ]
        brokers = listings(seen, instrument)
        return InstrumentAnswer(instrument, brokers, disagreements(brokers))

    async def search(self, _: Call, params: Search) -> Found:
        account = self._asking.account(params.account, "master")
        return Found(await account.master.search(params.text, params.limit))

    async def expiries(self, _: Call, params: Expiries) -> ExpiryList:
        account = self._asking.account(params.account, "master")
        exchange, name = contracts_of(params.symbol)
        found: dict[date, list[InstrumentKind]] = {}
        for expiry, kind in known_expiries(account, params.symbol):
            found.setdefault(expiry, []).append(kind)
        return ExpiryList(exchange, name, [Expiry(on, kinds) for on, kinds in found.items()])

    async def refresh(self, call: Call, params: Refresh) -> Refreshed:
        """Fetch the instrument files anew, now."""
        account = params.account and self._parts.desk.account(params.account)
        wanted = [account] if account else self._one_of_each_broker()
        record = Admin(
            caller=call.caller.name,
            method="instrument.refresh",
            params={"account": params.account},
        )
        try:
            await self._parts.ledger.record(record)
        except JournalFailed as error:
            raise OrdoError(Kind.JOURNAL_FAILED, f"nothing was done: {error}") from error
        answers: dict[str, int | str] = {}
        for one, master in [(one, self._parts.masters[one.spec.id]) for one in wanted]:
            try:
                answers[one.spec.id] = await master.refresh(one)
            except OrdoError as error:
                answers[one.spec.id] = str(error)
        return Refreshed(answers)

    def _one_of_each_broker(self) -> list[Account]:
        each: dict[str, Account] = {}
        for account in self._parts.accounts.values():
            each.setdefault(account.spec.id, account)
            if account.keeper.state is SessionState.ACTIVE:
                each[account.spec.id] = account
        return list(each.values())


def _progress(call: Call, word: str | None) -> Callable[[int, int], None]:
    """What tells the caller how many parts are done, of how many; where it does not read, it is not told."""
    if word is None:
        return lambda done, of: None
    outbox = call.outbox
    if outbox is None:
        raise OrdoError(
            Kind.INVALID_REQUEST,
            "progress is told over a socket connection, not over HTTP; leave it out",
            field="progress",
            value=word,
        )

    def tell(done: int, of: int) -> None:
        if outbox.is_free:
            params = {"progress": word, "done": done, "of": of}
            outbox.push(orjson.dumps({"jsonrpc": "2.0", "method": "progress", "params": params}))

    return tell


def methods(parts: Parts) -> Iterable[Method]:
    market = _Market(parts)
    asked = {"symbols": ["NSE:INFY"], "account": "paper"}
    candles = {
        "symbol": "NSE:INFY",
        "interval": "15m",
        "from": "2026-11-23T09:15:00+05:30",
        "to": "2026-11-23T15:30:00+05:30",
        "account": "paper",
    }
    rows: tuple[tuple[str, str, Any, Any, Any, dict[str, Any], dict[str, Any]], ...] = (
        (
            "market.quote",
            "Full quotes, with depth.",
            Asked,
            Quotes,
            market.quote,
            asked,
            {"missing": []},
        ),
        ("market.ltp", "Last prices.", Asked, LastPrices, market.ltp, asked, {"missing": []}),
        (
            "market.depth",
            "The levels of the book.",
            Asked,
            Depths,
            market.depth,
            asked,
            {"missing": []},
        ),
        (
            "market.candles",
            "Candles over any range; the broker's own limits of a request are joined.",
            Candles,
            CandleRows,
            market.candles,
            candles,
            {},
        ),
        (
            "instrument.get",
            "One contract: tick, lot, freeze quantity, expiry; what each broker calls it, and where they differ.",
            OneSymbol,
            InstrumentAnswer,
            market.get,
            {"symbol": "NSE:INFY", "account": "paper"},
            {"instrument": {"symbol": "NSE:INFY", "lot_size": 1}},
        ),
        (
            "instrument.search",
            "Contracts by what people type: words, prefixes, strikes, months; typos are mended.",
            Search,
            Found,
            market.search,
            {"text": "INFY", "account": "paper"},
            {},
        ),
        (
            "instrument.expiries",
            "When the futures and options on an underlying end.",
            Expiries,
            ExpiryList,
            market.expiries,
            {"symbol": "NSE_INDEX:NIFTY", "account": "paper"},
            {"exchange": "NFO", "name": "NIFTY"},
        ),
    )
    for name, summary, params, result, run, given, told in rows:
        yield Method(
            name=name,
            role=Role.READ,
            summary=summary,
            params=params,
            result=result,
            run=run,
            heavy=name in HEAVY,
            errors=READ_KINDS,
            examples=(Example(given, told),),
        )
    yield Method(
        name="instrument.refresh",
        role=Role.ADMIN,
        summary="Fetch the instrument files anew, now.",
        params=Refresh,
        result=Refreshed,
        run=market.refresh,
        changes=True,
        errors=(Kind.UNKNOWN_ACCOUNT, Kind.JOURNAL_FAILED),
        examples=(Example({"account": "paper"}, {}),),
    )
