"""What the daemon answers, as typed values.

Money is `Decimal` rupees, read digit by digit from the JSON; quantities are units; times are aware. Words (`status`, `side`,
`product`, ...) stay plain text, so that a word a newer daemon adds is passed on and breaks nobody; fields we do not know are
ignored. What a broker does not say is None.
"""

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "Account",
    "AccountFunds",
    "AccountHoldings",
    "AccountPositions",
    "Ask",
    "CancelResult",
    "Candle",
    "Candles",
    "Change",
    "Contract",
    "Conversion",
    "Depth",
    "Disagreement",
    "Doubt",
    "Event",
    "Expiries",
    "Expiry",
    "Failure",
    "Forward",
    "Funds",
    "Greeks",
    "Gtt",
    "GttChange",
    "GttLeg",
    "Holding",
    "Holidays",
    "Instrument",
    "JournalHead",
    "KillAnswer",
    "KillScope",
    "KillStatus",
    "Level",
    "Listing",
    "LoginState",
    "Margin",
    "Market",
    "MarketSession",
    "MarketStatus",
    "ModelBasis",
    "OddDay",
    "OptionChain",
    "OptionGreeks",
    "OptionLeg",
    "OptionRow",
    "OptionsGreeks",
    "Order",
    "OrderLatency",
    "OrderPage",
    "PlaceResult",
    "Position",
    "Quote",
    "Quotes",
    "Snapshot",
    "Status",
    "Sweep",
    "Trade",
    "TradePage",
]

PRICES = ("open", "high", "low", "close")
IST_NAME = "Asia/Kolkata"
_LIVE = frozenset({"PENDING", "OPEN", "TRIGGER_PENDING", "PARTIALLY_FILLED"})
_FINAL = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED", "NOT_PLACED"})


class Failure(Struct, frozen=True, kw_only=True):
    """A JSON-RPC error object where it stands for one member of a list."""

    code: int = 0
    message: str = ""
    data: dict[str, Any] = {}


# Orders


class Order(Struct, frozen=True, kw_only=True):
    """An order as it stands (WIRE 2).

    `replayed`: this call's key had made it before. `unchecked`: risk limits that it passed because they lacked a fresh price.
    """

    order_id: str
    account: str
    symbol: str
    side: str
    quantity: int
    type: str
    status: str
    key: str | None = None
    strategy: str | None = None
    product: str | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: str | None = None
    variety: str | None = None
    disclosed_quantity: int | None = None
    tag: str | None = None
    broker_order_id: str | None = None
    exchange_order_id: str | None = None
    status_message: str | None = None
    filled_quantity: int = 0
    average_price: Decimal | None = None
    children: tuple[str, ...] | None = None
    since: datetime | None = None
    next_check: datetime | None = None
    placed_at: datetime | None = None
    updated_at: datetime | None = None
    seq: int | None = None
    replayed: bool = False
    unchecked: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.status in _LIVE

    @property
    def is_final(self) -> bool:
        return self.status in _FINAL

    @property
    def is_in_doubt(self) -> bool:
        """It may have been sent; the daemon is looking for evidence and tells when it has some."""
        return self.status == "IN_DOUBT"


class PlaceResult(Struct, frozen=True, kw_only=True):
    """How one account answered where an order went to several: an order, or an error."""

    account: str = ""
    order: Order | None = None
    replayed: bool = False
    error: Failure | None = None


class Change(Struct, frozen=True, kw_only=True):
    """A modify's or cancel's end. `change`: `done`, or `in_doubt` (sent, not seen yet)."""

    order: Order
    change: str


class CancelResult(Struct, frozen=True, kw_only=True):
    """One order's part of a `cancel_all`: what became of it, or why not."""

    order_id: str
    account: str = ""
    order: Order | None = None
    change: str | None = None
    error: Failure | None = None


class Trade(Struct, frozen=True, kw_only=True):
    """One execution."""

    trade_id: str
    account: str
    symbol: str
    side: str
    quantity: int
    price: Decimal
    at: datetime | None = None
    order_id: str | None = None
    key: str | None = None
    strategy: str | None = None
    product: str | None = None
    broker_order_id: str | None = None
    exchange_order_id: str | None = None


class OrderPage(Struct, frozen=True, kw_only=True):
    """Some orders; `next` is the `after` of the page that follows, None on the last."""

    orders: tuple[Order, ...]
    next: str | int | None = None

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def __len__(self) -> int:
        return len(self.orders)


class TradePage(Struct, frozen=True, kw_only=True):
    """Some executions; `next` as in `OrderPage`."""

    trades: tuple[Trade, ...]
    next: str | int | None = None

    def __iter__(self) -> Iterator[Trade]:
        return iter(self.trades)

    def __len__(self) -> int:
        return len(self.trades)


class Margin(Struct, frozen=True, kw_only=True):
    """What orders would need together, in rupees."""

    needed: Decimal
    available: Decimal | None = None
    charges: Decimal | None = None


class GttLeg(Struct, frozen=True, kw_only=True):
    """One trigger and the order it releases."""

    trigger_price: Decimal
    side: str
    quantity: int
    price: Decimal
    type: str = "LIMIT"
    product: str = "CNC"


class Gtt(Struct, frozen=True, kw_only=True):
    """A good-till-triggered order. `gtt_id` is the broker's; None while its answer is not known."""

    symbol: str
    status: str
    legs: tuple[GttLeg, ...] = ()
    gtt_id: str | None = None
    account: str | None = None
    placed_order_ids: tuple[str, ...] = ()
    status_message: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None


class GttChange(Struct, frozen=True, kw_only=True):
    """A GTT's change and its end, `done` or `in_doubt`. `gtt` is None after a cancel."""

    change: str
    gtt: Gtt | None = None
    replayed: bool = False


# Portfolio


class Position(Struct, frozen=True, kw_only=True):
    """Today's net quantity of an instrument and product; short is negative."""

    symbol: str
    quantity: int
    product: str | None = None
    overnight_quantity: int = 0
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    pnl: Decimal | None = None
    realised: Decimal | None = None
    unrealised: Decimal | None = None
    buy_quantity: int = 0
    buy_value: Decimal | None = None
    sell_quantity: int = 0
    sell_value: Decimal | None = None


class Holding(Struct, frozen=True, kw_only=True):
    """Shares in demat; `quantity` is free, T1 and pledged together."""

    symbol: str
    quantity: int
    isin: str | None = None
    t1_quantity: int = 0
    collateral_quantity: int = 0
    used_quantity: int = 0
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    close_price: Decimal | None = None
    pnl: Decimal | None = None


class Funds(Struct, frozen=True, kw_only=True):
    """Money of one segment, in rupees."""

    segment: str
    available: Decimal
    cash: Decimal | None = None
    used: Decimal | None = None
    collateral: Decimal | None = None
    opening: Decimal | None = None


class AccountPositions(Struct, frozen=True, kw_only=True):
    """One account's positions when they were read, or why they could not be."""

    account: str
    positions: tuple[Position, ...] = ()
    read_at: datetime | None = None
    error: Failure | None = None


class AccountHoldings(Struct, frozen=True, kw_only=True):
    """One account's holdings when they were read, or why they could not be."""

    account: str
    holdings: tuple[Holding, ...] = ()
    read_at: datetime | None = None
    error: Failure | None = None


class AccountFunds(Struct, frozen=True, kw_only=True):
    """One account's money when it was read, or why it could not be."""

    account: str
    funds: tuple[Funds, ...] = ()
    read_at: datetime | None = None
    error: Failure | None = None


class Conversion(Struct, frozen=True, kw_only=True):
    """A conversion's end, `done` or `in_doubt`."""

    change: str
    replayed: bool = False


# Market


class Level(Struct, frozen=True, kw_only=True):
    """One level of the book."""

    price: Decimal
    quantity: int
    orders: int | None = None


class Depth(Struct, frozen=True, kw_only=True):
    """The levels of the book, best first."""

    buy: tuple[Level, ...] = ()
    sell: tuple[Level, ...] = ()


class Quote(Struct, frozen=True, kw_only=True):
    """An asked-for price; `close_price` is the previous day's. `last_price` is None only in an answer about depth."""

    symbol: str = ""
    last_price: Decimal | None = None
    at: datetime | None = None
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    volume: int | None = None
    average_price: Decimal | None = None
    oi: int | None = None
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    depth: Depth | None = None
    buy: tuple[Level, ...] = ()
    sell: tuple[Level, ...] = ()


class Quotes(Struct, frozen=True, kw_only=True):
    """Quotes by the symbol that was asked for, and the symbols the broker was silent about."""

    quotes: dict[str, Quote]
    missing: tuple[str, ...] = ()

    def __getitem__(self, symbol: str) -> Quote:
        return self.quotes[symbol]


class Tick(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pushed price; what the broker does not push is None. `traded_at`: of the last trade; `close_price`: the previous day's."""

    symbol: str
    last_price: Decimal
    at: datetime | None = None
    traded_at: datetime | None = None
    last_quantity: int | None = None
    average_price: Decimal | None = None
    volume: int | None = None
    buy_quantity: int | None = None
    sell_quantity: int | None = None
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    oi: int | None = None


class DepthTick(Struct, frozen=True, kw_only=True):
    """Pushed levels of the book, best first."""

    symbol: str
    buy: tuple[Level, ...] = ()
    sell: tuple[Level, ...] = ()
    at: datetime | None = None


class Candle(Struct, frozen=True, array_like=True):
    """`at` is the start of the candle."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None = None
    oi: int | None = None


class Candles(tuple[Candle, ...]):
    """Candles, oldest first."""

    __slots__ = ()

    def to_frame(self) -> "DataFrame":
        """A pandas DataFrame: a row a candle, `at` in IST as its index.

        `open`, `high`, `low`, `close` are float64 (rupees: good for reckoning with, not for orders), `volume` and `oi` Int64, with
        <NA> where there is none. Raises ImportError, with what to install, where pandas is not there.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_frame makes a pandas DataFrame, and pandas is not installed: pip install 'ordod[frame]'"
            ) from None
        at = pandas.DatetimeIndex([one.at for one in self], name="at")
        prices = {name: [float(getattr(one, name)) for one in self] for name in PRICES}
        counts = {
            name: pandas.array([getattr(one, name) for one in self], dtype="Int64")
            for name in ("volume", "oi")
        }
        where = at.tz_localize(IST_NAME) if at.tz is None else at.tz_convert(IST_NAME)
        return pandas.DataFrame({**prices, **counts}, index=where).astype(
            dict.fromkeys(PRICES, "float64")
        )


class Instrument(Struct, frozen=True, kw_only=True):
    """One contract."""

    symbol: str
    exchange: str = ""
    kind: str = ""
    name: str = ""
    broker_symbol: str | None = None
    instrument_token: str | None = None
    tick_size: Decimal | None = None
    lot_size: int | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    freeze_quantity: int | None = None
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    isin: str | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """What one broker's master has under a contract's name.

    `instruments`: its row; none, where it does not list it; several, where the name is ambiguous there. `same_isin`: other names of the
    same security at this exchange.
    """

    broker: str
    accounts: tuple[str, ...] = ()
    loaded_on: date | None = None
    instruments: tuple[Instrument, ...] = ()
    same_isin: tuple[str, ...] = ()


class Disagreement(Struct, frozen=True, kw_only=True):
    """A field of which brokers tell different values: broker -> value."""

    field: str
    values: dict[str, str]


class Contract(Instrument, frozen=True, kw_only=True):
    """A contract as the asked account's broker lists it, and what every configured broker has of it."""

    brokers: tuple[Listing, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()


class Forward(Struct, frozen=True, kw_only=True):
    """`source`: `future`, `parity` or `given`; `symbols`: whose prices it was made of."""

    price: Decimal
    source: str = ""
    symbols: tuple[str, ...] = ()


class ModelBasis(Struct, frozen=True, kw_only=True):
    """What was put into the option model. `days`: calendar days left; `day_count` says how many are a year."""

    forward: Forward | None = None
    at: datetime | None = None
    expires_at: datetime | None = None
    days: float | None = None
    rate_percent: Decimal | None = None
    model: str = ""
    day_count: str = ""
    units: str = ""


class Greeks(Struct, frozen=True, kw_only=True):
    """`price`: what the volatility was found from, `priced_by` `mid` or `last`. Units: `ModelBasis.units`."""

    price: Decimal
    priced_by: str = ""
    iv_percent: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class OptionLeg(Struct, frozen=True, kw_only=True):
    """`greeks` is None where no volatility explains the price."""

    symbol: str
    last_price: Decimal | None = None
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None
    volume: int | None = None
    oi: int | None = None
    greeks: Greeks | None = None


class OptionRow(Struct, frozen=True, kw_only=True):
    """One strike; a side of which nothing is known is None."""

    strike: Decimal
    call: OptionLeg | None = None
    put: OptionLeg | None = None


class OptionChain(Struct, frozen=True, kw_only=True):
    """Strikes from the lowest up; `money`: the one next to the forward, or the spot."""

    symbol: str
    expiry: date
    money: Decimal
    strikes: tuple[OptionRow, ...]
    basis: ModelBasis
    spot: Decimal | None = None
    lot_size: int | None = None
    missing: tuple[str, ...] = ()


class OptionGreeks(Struct, frozen=True, kw_only=True):
    strike: Decimal
    kind: str
    expiry: date
    basis: ModelBasis
    greeks: Greeks | None = None


class OptionsGreeks(Struct, frozen=True, kw_only=True):
    """By the symbol that was asked for."""

    options: dict[str, OptionGreeks]
    missing: tuple[str, ...] = ()

    def __getitem__(self, symbol: str) -> OptionGreeks:
        return self.options[symbol]


class Expiry(Struct, frozen=True, kw_only=True):
    """`kinds`: FUT, CE, PE."""

    expiry: date
    kinds: tuple[str, ...] = ()


class Expiries(Struct, frozen=True, kw_only=True):
    """The nearest first. `exchange`: where the contracts trade."""

    exchange: str
    name: str
    expiries: tuple[Expiry, ...]


class MarketSession(Struct, frozen=True, kw_only=True):
    opens_at: datetime
    closes_at: datetime


class Market(Struct, frozen=True, kw_only=True):
    """One exchange. `sessions`: today's; `note`: what makes today unlike other days; `next_change`: when it opens or closes next."""

    is_open: bool
    sessions: tuple[MarketSession, ...] = ()
    note: str | None = None
    next_change: datetime | None = None


class MarketStatus(Struct, frozen=True, kw_only=True):
    """By exchange. `source`: the calendar file, or `built in`; `problem`: why the file that should serve does not."""

    at: datetime
    exchanges: dict[str, Market]
    source: str = ""
    problem: str | None = None

    def __getitem__(self, exchange: str) -> Market:
        return self.exchanges[exchange]


class OddDay(Struct, frozen=True, kw_only=True):
    """A day unlike others; `sessions`: what it opens and closes at instead, IST, none on a holiday."""

    on: date
    name: str
    exchanges: tuple[str, ...] = ()
    sessions: tuple[tuple[time, time], ...] = ()


class Holidays(Struct, frozen=True, kw_only=True):
    """`is_known`: the calendar has this year's."""

    year: int
    is_known: bool
    days: tuple[OddDay, ...]
    source: str = ""
    problem: str | None = None


# Accounts, kill, system


class Account(Struct, frozen=True, kw_only=True):
    """An account and its session. `why` it cannot trade and what to do (`todo`) are for people. `is_real`: orders cost money.

    `clock_skew_s`: the broker's clock less the daemon's; None: not measured of late.
    """

    account: str
    broker: str = ""
    state: str = ""
    user: str | None = None
    expires_at: datetime | None = None
    can_trade: bool | None = None
    why: str | None = None
    todo: str | None = None
    clock_skew_s: Decimal | int | None = None
    is_real: bool | None = None


class Ask(Struct, frozen=True, kw_only=True):
    """What a login waits for: `page` (open `url`, answer with the address it leads to), `otp` or `totp` (a code)."""

    kind: str
    prompt: str = ""
    url: str | None = None


class LoginState(Struct, frozen=True, kw_only=True):
    """How far a login came."""

    account: str
    state: str
    ask: Ask | None = None
    message: str | None = None


class KillAnswer(Struct, frozen=True, kw_only=True):
    """What the kill switch did: `durable`, how many orders it cancelled, and those it could not."""

    durable: bool
    cancelled: Any = None
    failed: Any = None
    exposed: Any = None
    took_ms: Decimal | int | None = None


class KillScope(Struct, frozen=True, kw_only=True):
    """What is killed (both None: everything), why and by whom."""

    account: str | None = None
    strategy: str | None = None
    reason: str | None = None
    caller: str | None = None
    at: datetime | None = None


class Sweep(Struct, frozen=True, kw_only=True):
    """The cancelling that goes on behind a kill."""

    running: bool = False
    cancelled: Any = None
    failed: Any = None
    exposed: Any = None
    left: Any = None


class KillStatus(Struct, frozen=True, kw_only=True):
    """The kill switch as it stands."""

    engaged: bool
    scopes: tuple[KillScope, ...] = ()
    sweep: Sweep | None = None


class JournalHead(Struct, frozen=True, kw_only=True):
    """Where the journal ends; `seq` and `hash` are what `journal verify --head SEQ:HASH` takes."""

    epoch: str | None = None
    seq: int | None = None
    hash: str | None = None
    failed: bool | None = None
    why: str | None = None


class Doubt(Struct, frozen=True, kw_only=True):
    """An order in doubt, and why it is not settled yet."""

    order: Order
    why: str = ""


class OrderLatency(Struct, frozen=True, kw_only=True):
    """Of the last orders of an account, in milliseconds: the median, what 95 of 100 took at most, and the broker's part."""

    account: str
    orders: int = 0
    median_ms: float | None = None
    slow_ms: float | None = None
    broker_ms: float | None = None


class Status(Struct, frozen=True, kw_only=True):
    """The daemon at a glance. `todo` is the next thing a person should do."""

    state: str
    version: str = ""
    started_at: datetime | None = None
    accounts: tuple[Account, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    kill: KillStatus | None = None
    journal: JournalHead | None = None
    latency: tuple[OrderLatency, ...] = ()
    todo: str | None = None


# Events


class Snapshot(Struct, frozen=True, kw_only=True):
    """How things stood at the event's `seq`: live orders, positions by account (of those that could be read), the kill switch."""

    orders: tuple[Order, ...] = ()
    positions: dict[str, tuple[Position, ...]] = {}
    accounts: tuple[Account, ...] = ()
    kill: KillStatus | None = None


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened, with the whole object it happened to.

    `topic` says which member is set. `snapshot` comes first where no `since` was given, and again (`reset`) where the daemon no
    longer has what happened meanwhile: what was known before is then to be forgotten. `seq` is None for ticks and depth, of which an event
    holds all that came at once; `skipped` is how many were passed over because they were read too slowly: newer ones came.
    `ended`: why this subscription brings no more prices.
    """

    topic: str
    epoch: str | None = None
    seq: int | None = None
    prev: int | None = None
    at: datetime | None = None
    order: Order | None = None
    trade: Trade | None = None
    account: Account | None = None
    kill: Any = None
    system: Any = None
    ticks: tuple[Tick, ...] | None = None
    depth: tuple[DepthTick, ...] | None = None
    skipped: int | None = None
    ended: str | None = None
    snapshot: Snapshot | None = None
    reset: bool = False
