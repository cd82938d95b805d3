"""Every method of the wire, once: what is sent, and how its result is read.

A request is a value. The blocking client, the asynchronous one and the command line send the same values; none of them knows a
method by itself. Prices may be `Decimal`, `int`, a decimal string or a `float` (sent as its shortest decimal). A parameter that
is None is not sent.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from ordoctl.errors import UNREADABLE, TryAgain
from ordoctl.models import (
    Account,
    AccountFunds,
    AccountHoldings,
    AccountPositions,
    CancelResult,
    Candle,
    Candles,
    Change,
    Contract,
    Conversion,
    Disagreement,
    Expiries,
    Gtt,
    GttChange,
    GttLeg,
    Holidays,
    Instrument,
    KillAnswer,
    KillStatus,
    Listing,
    LoginState,
    Margin,
    MarketStatus,
    OptionChain,
    OptionsGreeks,
    Order,
    OrderPage,
    PlaceResult,
    Quotes,
    Status,
    TradePage,
    TriedReceiver,
)

__all__ = ["Object", "Price", "Progress", "Request", "new_key"]

T = TypeVar("T")
Object: TypeAlias = dict[str, Any]
Price: TypeAlias = Decimal | int | str | float
Side: TypeAlias = Literal["BUY", "SELL"] | str
Instant: TypeAlias = datetime | str

ONCE = frozenset(
    {
        "account.login",  # brokers count logins
        "account.otp",  # a code is used once
        "account.logout",
        "kill.release",  # a second one could free what was engaged between
        "order.resolve",
        "system.shutdown",
    }
)
"""Methods that are not sent again after a lost connection: the second one could do what nobody asked for."""

TIMED = frozenset(
    {
        "order.place",
        "order.modify",
        "order.cancel",
        "gtt.place",
        "gtt.modify",
        "gtt.cancel",
        "portfolio.convert",
    }
)
"""Methods with a `timeout_ms`."""

DAEMON_TIMEOUT_MS = 10_000  # WIRE 3: what the daemon takes where none is given


_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567" * 8  # by byte: its last five bits


Progress: TypeAlias = Callable[[int, int], object]
"""Takes how many parts are done, and how many there are."""


class Request(Struct, Generic[T], frozen=True):
    """One call, not yet sent.

    Args:
        shape: the type of the result as the wire has it.
        take: what the caller gets of it.
        progress: is told how far the call is, where `params` ask for that.
    """

    method: str
    params: Object
    shape: Any
    take: Callable[[Any], T]
    progress: Progress | None = None

    @property
    def key(self) -> str | None:
        key = self.params.get("key")
        return key if isinstance(key, str) else None

    @property
    def is_sent_once(self) -> bool:
        return self.method in ONCE

    def read(self, result: bytes | msgspec.Raw) -> T:
        """The result, typed.

        Raises:
            TryAgain: UNREADABLE: it is not what WIRE says. What the call did is not known from it.
        """
        try:
            return self.take(_decoder(self.shape).decode(result))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as why:
            raise TryAgain(
                UNREADABLE,
                f"{self.method}: the daemon answered what this client cannot read ({why})",
                {"key": self.key} if self.key else None,
            ) from None

    def within(self, seconds: float) -> Object:
        """The parameters where so much time is left: the daemon is to answer, in doubt or not, before the caller goes."""
        left_ms = int(seconds * 1000)
        if self.method in TIMED and "timeout_ms" not in self.params and left_ms < DAEMON_TIMEOUT_MS:
            return {**self.params, "timeout_ms": max(left_ms - left_ms // 10, 1)}
        return self.params


@lru_cache(maxsize=128)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    # Numbers whose type nobody knows are money sooner than not: never through a float.
    return msgspec.json.Decoder(shape, float_hook=Decimal)


def new_key() -> str:
    """A key that nobody used: 26 characters of WIRE's alphabet, 130 random bits."""
    return os.urandom(26).translate(_BASE32).decode()


def _given(**params: Any) -> Object:
    return {
        # A price is never sent with an exponent: a Decimal may have one, and the daemon refuses it.
        name: f"{value:f}" if isinstance(value, Decimal) else value
        for name, value in params.items()
        if value is not None
    }


def _as_it_is(result: T) -> T:
    return result


# Results as the wire wraps them


class _OneOrder(Struct, frozen=True):
    order: Order
    replayed: bool = False
    unchecked: tuple[str, ...] = ()


class _Placed(Struct, frozen=True):
    results: tuple[PlaceResult, ...]


class _Cancelled(Struct, frozen=True):
    results: tuple[CancelResult, ...]


class _Records(Struct, frozen=True):
    records: list[Object]


class _Entries(Struct, frozen=True):
    entries: list[Object]


class _Gtts(Struct, frozen=True):
    gtts: tuple[Gtt, ...]


class _Tried(Struct, frozen=True):
    results: tuple[TriedReceiver, ...]


class _Accounts(Struct, frozen=True):
    accounts: tuple[Account, ...]


class _Positions(Struct, frozen=True):
    accounts: tuple[AccountPositions, ...]


class _Holdings(Struct, frozen=True):
    accounts: tuple[AccountHoldings, ...]


class _Funds(Struct, frozen=True):
    accounts: tuple[AccountFunds, ...]


class _Candles(Struct, frozen=True):
    candles: tuple[Candle, ...]


class _OneInstrument(Struct, frozen=True):
    instrument: Instrument
    brokers: tuple[Listing, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()


class _Instruments(Struct, frozen=True):
    instruments: tuple[Instrument, ...]


def _placed(result: _OneOrder) -> Order:
    if not (result.replayed or result.unchecked):
        return result.order
    return msgspec.structs.replace(
        result.order, replayed=result.replayed, unchecked=result.unchecked
    )


_order: Callable[[_OneOrder], Order] = attrgetter("order")


def call(method: str, /, **params: Any) -> Request[Object]:
    """Any method, by its name on the wire; its result as it is, numbers with a fraction as Decimal."""
    return Request(method, params, Object, _as_it_is)


# System, accounts


def ping() -> Request[Object]:
    """Whether the daemon answers."""
    return call("system.ping")


def version() -> Request[Object]:
    """Which daemon this is."""
    return call("system.version")


def status() -> Request[Status]:
    """Accounts, doubts, kill switch, journal, and the next thing a person should do."""
    return Request("system.status", {}, Status, _as_it_is)


def config() -> Request[Object]:
    """The settings in force, without secrets."""
    return call("system.config")


def reload() -> Request[Object]:
    """Read the configuration again: `changed` holds from now on, `needs_restart` waits."""
    return call("system.reload")


def shutdown() -> Request[Object]:
    """Ask the daemon to end in good order."""
    return call("system.shutdown")


def alert_test(receiver: str | None = None) -> Request[tuple[TriedReceiver, ...]]:
    """Tell the receivers of alerts, or one, that they work; which were reached."""
    return Request("alert.test", _given(receiver=receiver), _Tried, attrgetter("results"))


def discover() -> Request[Object]:
    """The OpenRPC document of this daemon."""
    return call("rpc.discover")


def account_list() -> Request[tuple[Account, ...]]:
    """Every account and its session."""
    return Request("account.list", {}, _Accounts, attrgetter("accounts"))


def account_status(account: str | None = None) -> Request[tuple[Account, ...]]:
    """One account's session, or all: expiry, why it cannot trade, what to do."""
    return Request("account.status", _given(account=account), _Accounts, attrgetter("accounts"))


def login(account: str) -> Request[LoginState]:
    """Log in, as far as it goes without a person; `ask` says what it waits for."""
    return Request("account.login", {"account": account}, LoginState, _as_it_is)


def otp(account: str, otp: str) -> Request[LoginState]:
    """What a login asked for: a code, or the address the broker's page led to."""
    return Request("account.otp", {"account": account, "otp": otp}, LoginState, _as_it_is)


def logout(account: str) -> Request[LoginState]:
    """End the broker's session."""
    return Request("account.logout", {"account": account}, LoginState, _as_it_is)


# Orders


def place(
    account: str,
    symbol: str,
    side: Side,
    quantity: int,
    type: str,  # noqa: A002 - the wire's word
    product: str,
    *,
    price: Price | None = None,
    trigger_price: Price | None = None,
    validity: str | None = None,
    validity_minutes: int | None = None,
    variety: str | None = None,
    iceberg_legs: int | None = None,
    disclosed_quantity: int | None = None,
    market_protection: Price | None = None,
    strategy: str | None = None,
    key: str | None = None,
    timeout_ms: int | None = None,
    dry_run: bool | None = None,
) -> Request[Order]:
    """Place one order, at most once for its key, and get it as it stands; IN_DOUBT is a status.

    Without `key` a new one is made; it stands on the order, and in `data` of whatever is raised. A second call without a key is a
    second order: to ask again, give the key.

    Raises:
        Refused: `retry` says of the key: `new_key` (no order of it exists), `never` (it is another order's), `same_key`.
        TryAgain: not within the time; the same key may be sent again.
        NotAllowed, NoDaemon.
    """
    return Request(
        "order.place",
        _given(
            account=account,
            key=key or new_key(),
            symbol=symbol,
            side=side,
            quantity=quantity,
            type=type,
            product=product,
            price=price,
            trigger_price=trigger_price,
            validity=validity,
            validity_minutes=validity_minutes,
            variety=variety,
            iceberg_legs=iceberg_legs,
            disclosed_quantity=disclosed_quantity,
            market_protection=market_protection,
            strategy=strategy,
            timeout_ms=timeout_ms,
            dry_run=dry_run,
        ),
        _OneOrder,
        _placed,
    )


def place_at(
    accounts: Sequence[str],
    symbol: str,
    side: Side,
    quantity: int,
    type: str,  # noqa: A002 - the wire's word
    product: str,
    *,
    price: Price | None = None,
    trigger_price: Price | None = None,
    validity: str | None = None,
    validity_minutes: int | None = None,
    variety: str | None = None,
    iceberg_legs: int | None = None,
    disclosed_quantity: int | None = None,
    market_protection: Price | None = None,
    strategy: str | None = None,
    key: str | None = None,
    timeout_ms: int | None = None,
    dry_run: bool | None = None,
) -> Request[tuple[PlaceResult, ...]]:
    """`order.place` at several accounts: one result each, in the order asked, an order or that account's error."""
    one = place(
        "",
        symbol,
        side,
        quantity,
        type,
        product,
        price=price,
        trigger_price=trigger_price,
        validity=validity,
        validity_minutes=validity_minutes,
        variety=variety,
        iceberg_legs=iceberg_legs,
        disclosed_quantity=disclosed_quantity,
        market_protection=market_protection,
        strategy=strategy,
        key=key,
        timeout_ms=timeout_ms,
        dry_run=dry_run,
    )
    params = {**one.params, "accounts": list(accounts)}
    del params["account"]
    return Request("order.place", params, _Placed, attrgetter("results"))


def modify(
    order_id: str | None = None,
    *,
    account: str | None = None,
    key: str | None = None,
    change_key: str | None = None,
    price: Price | None = None,
    trigger_price: Price | None = None,
    quantity: int | None = None,
    type: str | None = None,  # noqa: A002 - the wire's word
    validity: str | None = None,
    disclosed_quantity: int | None = None,
    timeout_ms: int | None = None,
) -> Request[Change]:
    """Change a living order, named by `order_id` or by `account` and `key`. An error speaks of the change, not of the order."""
    return Request(
        "order.modify",
        _given(
            order_id=order_id,
            account=account,
            key=key,
            change_key=change_key or new_key(),
            price=price,
            trigger_price=trigger_price,
            quantity=quantity,
            type=type,
            validity=validity,
            disclosed_quantity=disclosed_quantity,
            timeout_ms=timeout_ms,
        ),
        Change,
        _as_it_is,
    )


def cancel(
    order_id: str | None = None,
    *,
    account: str | None = None,
    key: str | None = None,
    timeout_ms: int | None = None,
) -> Request[Change]:
    """Cancel an order, named by `order_id` or by `account` and `key`; `in_doubt`: asked for, and not seen yet."""
    params = _given(order_id=order_id, account=account, key=key, timeout_ms=timeout_ms)
    return Request("order.cancel", params, Change, _as_it_is)


def cancel_all(
    account: str | None = None, strategy: str | None = None, symbol: str | None = None
) -> Request[tuple[CancelResult, ...]]:
    """Cancel every open order of a scope; one result each."""
    params = _given(account=account, strategy=strategy, symbol=symbol)
    return Request("order.cancel_all", params, _Cancelled, attrgetter("results"))


def order_get(
    order_id: str | None = None,
    *,
    account: str | None = None,
    key: str | None = None,
    wait_ms: int | None = None,
) -> Request[Order]:
    """An order as it stands; with `wait_ms` as soon as that changes, or then. One that is final is told at once."""
    params = _given(order_id=order_id, account=account, key=key, wait_ms=wait_ms)
    return Request("order.get", params, _OneOrder, _order)


def order_list(
    account: str | None = None,
    strategy: str | None = None,
    symbol: str | None = None,
    status: str | None = None,
    limit: int | None = None,
    after: str | int | None = None,
) -> Request[OrderPage]:
    """Orders, also those placed elsewhere (`key` None)."""
    params = _given(
        account=account, strategy=strategy, symbol=symbol, status=status, limit=limit, after=after
    )
    return Request("order.list", params, OrderPage, _as_it_is)


def order_trades(
    account: str | None = None,
    strategy: str | None = None,
    symbol: str | None = None,
    limit: int | None = None,
    after: str | int | None = None,
) -> Request[TradePage]:
    """Executions, also of orders placed elsewhere."""
    params = _given(account=account, strategy=strategy, symbol=symbol, limit=limit, after=after)
    return Request("order.trades", params, TradePage, _as_it_is)


def order_history(
    order_id: str | None = None, *, account: str | None = None, key: str | None = None
) -> Request[list[Object]]:
    """Every record of an order, oldest first: `seq`, `at`, `type` and what it says."""
    params = _given(order_id=order_id, account=account, key=key)
    return Request("order.history", params, _Records, attrgetter("records"))


def order_margin(account: str, orders: Sequence[Mapping[str, Any]]) -> Request[Margin]:
    """What these orders (terms as in `place`) would need together."""
    return Request("order.margin", {"account": account, "orders": list(orders)}, Margin, _as_it_is)


def order_resolve(
    account: str,
    key: str,
    outcome: Literal["placed", "not_placed"] | str,
    reason: str,
    *,
    broker_order_id: str | None = None,
) -> Request[Order]:
    """End a doubt by a person's word, with what the broker's own screen shows."""
    params = _given(
        account=account, key=key, outcome=outcome, reason=reason, broker_order_id=broker_order_id
    )
    return Request("order.resolve", params, _OneOrder, _order)


# GTT


def gtt_place(
    account: str,
    symbol: str,
    legs: Sequence[GttLeg | Mapping[str, Any]],
    *,
    key: str | None = None,
    timeout_ms: int | None = None,
) -> Request[GttChange]:
    """One leg, or two: stop and target. A key is made where none is given, as in `place`."""
    params = _given(
        account=account,
        key=key or new_key(),
        symbol=symbol,
        legs=list(legs),
        timeout_ms=timeout_ms,
    )
    return Request("gtt.place", params, GttChange, _as_it_is)


def gtt_modify(
    account: str,
    gtt_id: str,
    symbol: str,
    legs: Sequence[GttLeg | Mapping[str, Any]],
    *,
    key: str | None = None,
    timeout_ms: int | None = None,
) -> Request[GttChange]:
    """Give a GTT other legs. The key is this change's; one is made where none is given."""
    params = _given(
        account=account,
        key=key or new_key(),
        gtt_id=gtt_id,
        symbol=symbol,
        legs=list(legs),
        timeout_ms=timeout_ms,
    )
    return Request("gtt.modify", params, GttChange, _as_it_is)


def gtt_cancel(
    account: str, gtt_id: str, *, key: str | None = None, timeout_ms: int | None = None
) -> Request[GttChange]:
    """Cancel a GTT. The key is this change's; one is made where none is given."""
    params = _given(account=account, key=key or new_key(), gtt_id=gtt_id, timeout_ms=timeout_ms)
    return Request("gtt.cancel", params, GttChange, _as_it_is)


def gtt_list(account: str) -> Request[tuple[Gtt, ...]]:
    """The GTTs the broker has."""
    return Request("gtt.list", {"account": account}, _Gtts, attrgetter("gtts"))


# Portfolio


def positions(account: str | None = None) -> Request[tuple[AccountPositions, ...]]:
    """Today's positions, account by account."""
    params = _given(account=account)
    return Request("portfolio.positions", params, _Positions, attrgetter("accounts"))


def holdings(account: str | None = None) -> Request[tuple[AccountHoldings, ...]]:
    """Shares in demat, account by account."""
    params = _given(account=account)
    return Request("portfolio.holdings", params, _Holdings, attrgetter("accounts"))


def funds(account: str | None = None) -> Request[tuple[AccountFunds, ...]]:
    """Money, account by account and segment by segment."""
    return Request("portfolio.funds", _given(account=account), _Funds, attrgetter("accounts"))


def convert(
    account: str,
    symbol: str,
    side: Side,
    quantity: int,
    from_product: str,
    to_product: str,
    *,
    overnight: bool | None = None,
    key: str | None = None,
    timeout_ms: int | None = None,
) -> Request[Conversion]:
    """Change a position's product; `side` is the position's. A key is made where none is given, as in `place`."""
    params = _given(
        account=account,
        key=key or new_key(),
        symbol=symbol,
        side=side,
        quantity=quantity,
        from_product=from_product,
        to_product=to_product,
        overnight=overnight,
        timeout_ms=timeout_ms,
    )
    return Request("portfolio.convert", params, Conversion, _as_it_is)


# Market, instruments


def quote(symbols: Sequence[str], account: str | None = None) -> Request[Quotes]:
    """Prices, volume and the best levels."""
    params = _given(symbols=list(symbols), account=account)
    return Request("market.quote", params, Quotes, _as_it_is)


def ltp(symbols: Sequence[str], account: str | None = None) -> Request[Quotes]:
    """Last prices alone."""
    params = _given(symbols=list(symbols), account=account)
    return Request("market.ltp", params, Quotes, _as_it_is)


def depth(symbols: Sequence[str], account: str | None = None) -> Request[Quotes]:
    """The levels of the book."""
    params = _given(symbols=list(symbols), account=account)
    return Request("market.depth", params, Quotes, _as_it_is)


def _candles(result: _Candles) -> Candles:
    return Candles(result.candles)


def candles(
    symbol: str,
    interval: str,
    start: Instant,
    end: Instant,
    account: str | None = None,
    *,
    progress: Progress | None = None,
) -> Request[Candles]:
    """Oldest first, those that start within `start` to `end`. `interval`: 1m 3m 5m 10m 15m 30m 1h 1d.

    Years of minutes are many questions to the broker. `progress` is called after each, with how many are done and how many there
    are, and the client's timeout begins anew with each.
    """
    params = _given(symbol=symbol, interval=interval, to=end, account=account)
    if progress is not None:
        params["progress"] = new_key()
    shape = {**params, "from": start}
    return Request("market.candles", shape, _Candles, _candles, progress)


def market_status(exchanges: Sequence[str] | None = None) -> Request[MarketStatus]:
    """Which exchanges are open, all where none is named, and when they open or close next."""
    return Request("market.status", _given(exchanges=exchanges), MarketStatus, _as_it_is)


def holidays(year: int | None = None, exchange: str | None = None) -> Request[Holidays]:
    """Days of a year, this one where none is named, on which exchanges have no session or others than usual."""
    return Request("market.holidays", _given(year=year, exchange=exchange), Holidays, _as_it_is)


def option_chain(
    symbol: str,
    *,
    expiry: date | str | None = None,
    strikes: int | None = None,
    rate_percent: Price | None = None,
    account: str | None = None,
) -> Request[OptionChain]:
    """Calls and puts around the money of an underlying (`NSE_INDEX:NIFTY`, `NSE:INFY`, `NFO:NIFTY`).

    Args:
        expiry: without, the nearest. strikes: so many on each side of the money (10).
        rate_percent: a year, for the model (0).
    """
    params = _given(
        symbol=symbol, expiry=expiry, strikes=strikes, rate_percent=rate_percent, account=account
    )
    return Request("market.option_chain", params, OptionChain, _as_it_is)


def option_greeks(
    symbols: Sequence[str],
    *,
    forward: Price | None = None,
    rate_percent: Price | None = None,
    account: str | None = None,
) -> Request[OptionsGreeks]:
    """Implied volatility and greeks of options; `forward`: what to take for it, else it is looked for."""
    params = _given(symbols=symbols, forward=forward, rate_percent=rate_percent, account=account)
    return Request("market.greeks", params, OptionsGreeks, _as_it_is)


def instrument_expiries(symbol: str, account: str | None = None) -> Request[Expiries]:
    """When the futures and options on an underlying end."""
    params = _given(symbol=symbol, account=account)
    return Request("instrument.expiries", params, Expiries, _as_it_is)


def instrument_get(symbol: str, account: str | None = None) -> Request[Contract]:
    """One contract: tick, lot, expiry, circuit limits; what each broker calls it, and where they differ."""
    params = _given(symbol=symbol, account=account)
    return Request("instrument.get", params, _OneInstrument, _contract)


def _contract(result: _OneInstrument) -> Contract:
    return Contract(
        **asdict(result.instrument), brokers=result.brokers, disagreements=result.disagreements
    )


def instrument_search(
    text: str, *, account: str | None = None, limit: int | None = None
) -> Request[tuple[Instrument, ...]]:
    """Contracts whose symbol or name holds these words or begins so."""
    params = _given(text=text, account=account, limit=limit)
    return Request("instrument.search", params, _Instruments, attrgetter("instruments"))


def instrument_refresh(account: str | None = None) -> Request[Object]:
    """Fetch the brokers' instrument files anew."""
    return Request("instrument.refresh", _given(account=account), Object, _as_it_is)


# Kill, risk, journal


def kill_engage(
    account: str | None = None,
    strategy: str | None = None,
    *,
    mode: Literal["halt", "reduce"] | str | None = None,
    cancel_open: bool | None = None,
    square_off: bool | None = None,
    cancel_gtt: bool | None = None,
    reason: str | None = None,
) -> Request[KillAnswer]:
    """Stop new orders of a scope, everything where none is named, and cancel what is open."""
    params = _given(
        account=account,
        strategy=strategy,
        mode=mode,
        cancel_open=cancel_open,
        square_off=square_off,
        cancel_gtt=cancel_gtt,
        reason=reason,
    )
    return Request("kill.engage", params, KillAnswer, _as_it_is)


def kill_release(
    reason: str, account: str | None = None, strategy: str | None = None
) -> Request[Object]:
    """Let exactly this scope trade again."""
    params = _given(reason=reason, account=account, strategy=strategy)
    return Request("kill.release", params, Object, _as_it_is)


def kill_status() -> Request[KillStatus]:
    """What is killed, and how far the cancelling is."""
    return Request("kill.status", {}, KillStatus, _as_it_is)


def risk_limits(account: str | None = None) -> Request[Object]:
    """The limits in force and how much of them is used."""
    return Request("risk.limits", _given(account=account), Object, _as_it_is)


def risk_check(
    account: str,
    symbol: str,
    side: Side,
    quantity: int,
    type: str,  # noqa: A002 - the wire's word
    product: str,
    *,
    price: Price | None = None,
    trigger_price: Price | None = None,
    validity: str | None = None,
    variety: str | None = None,
    strategy: str | None = None,
) -> Request[Object]:
    """What validation, kill switch and limits would say of this order; nothing is stored or placed."""
    one = place(
        account,
        symbol,
        side,
        quantity,
        type,
        product,
        price=price,
        trigger_price=trigger_price,
        validity=validity,
        variety=variety,
        strategy=strategy,
    )
    params = {name: value for name, value in one.params.items() if name != "key"}
    return Request("risk.check", params, Object, _as_it_is)


def journal_tail(limit: int | None = None) -> Request[list[Object]]:
    """The journal's last entries, oldest first."""
    return Request("journal.tail", _given(limit=limit), _Entries, attrgetter("entries"))


def journal_verify(head: str | None = None) -> Request[Object]:
    """Whether the whole journal holds together, read by the daemon; `head`: SEQ:HASH as its log kept it."""
    return Request("journal.verify", _given(head=head), Object, _as_it_is)


def journal_export(
    day: str, table: str, *, after: int | None = None, limit: int | None = None
) -> Request[Object]:
    """A day's rows of one table: orders, events, fills or admin. `after`: the `next` of the answer before."""
    params = _given(day=day, table=table, after=after, limit=limit)
    return Request("journal.export", params, Object, _as_it_is)
