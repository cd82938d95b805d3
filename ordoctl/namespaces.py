"""`client.order.place(...)`: the methods of `requests`, bound to a client that waits and to one that is awaited.

A method's signature and docstring are those of the function in `requests` that makes the request; here stands only which name
in which group it has.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Generic, ParamSpec, Protocol, TypeVar, overload

from ordoctl import requests
from ordoctl.requests import Request

__all__ = ["AsyncGroups", "AsyncSender", "Groups", "Sender"]

P = ParamSpec("P")
T = TypeVar("T")


class Sender(Protocol):
    """Sends a request and waits."""

    def send(self, request: Request[T]) -> T: ...


class AsyncSender(Protocol):
    """Sends a request and is awaited."""

    async def send(self, request: Request[T]) -> T: ...


class _Group:
    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class _AsyncGroup:
    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender


class _Calls(Generic[P, T]):
    """A method that sends what `build` makes and returns what it is."""

    def __init__(self, build: Callable[P, Request[T]]) -> None:
        self.__wrapped__ = self._build = build  # `help` and `inspect` look here
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, group: None, owner: type) -> "_Calls[P, T]": ...
    @overload
    def __get__(self, group: _Group, owner: type) -> Callable[P, T]: ...
    def __get__(self, group: _Group | None, owner: type) -> "_Calls[P, T] | Callable[P, T]":
        if group is None:
            return self
        build, send = self._build, group._sender.send

        @wraps(build)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return send(build(*args, **kwargs))

        vars(group)[self._name] = call  # found there next time: binding costs more than building
        return call


class _Awaits(Generic[P, T]):
    """A coroutine method that sends what `build` makes and returns what it is."""

    def __init__(self, build: Callable[P, Request[T]]) -> None:
        self.__wrapped__ = self._build = build  # `help` and `inspect` look here
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, group: None, owner: type) -> "_Awaits[P, T]": ...
    @overload
    def __get__(self, group: _AsyncGroup, owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(
        self, group: _AsyncGroup | None, owner: type
    ) -> "_Awaits[P, T] | Callable[P, Awaitable[T]]":
        if group is None:
            return self
        build, send = self._build, group._sender.send

        @wraps(build)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return await send(build(*args, **kwargs))

        vars(group)[self._name] = call
        return call


class SystemMethods(_Group):
    """`system.*`"""

    ping = _Calls(requests.ping)
    version = _Calls(requests.version)
    status = _Calls(requests.status)
    config = _Calls(requests.config)
    reload = _Calls(requests.reload)
    shutdown = _Calls(requests.shutdown)


class AccountMethods(_Group):
    """`account.*`"""

    list = _Calls(requests.account_list)
    status = _Calls(requests.account_status)
    login = _Calls(requests.login)
    otp = _Calls(requests.otp)
    logout = _Calls(requests.logout)


class AlertMethods(_Group):
    """`alert.*`"""

    test = _Calls(requests.alert_test)


class OrderMethods(_Group):
    """`order.*`"""

    place = _Calls(requests.place)
    place_at = _Calls(requests.place_at)
    modify = _Calls(requests.modify)
    cancel = _Calls(requests.cancel)
    cancel_all = _Calls(requests.cancel_all)
    get = _Calls(requests.order_get)
    list = _Calls(requests.order_list)
    trades = _Calls(requests.order_trades)
    history = _Calls(requests.order_history)
    margin = _Calls(requests.order_margin)
    resolve = _Calls(requests.order_resolve)


class GttMethods(_Group):
    """`gtt.*`"""

    place = _Calls(requests.gtt_place)
    modify = _Calls(requests.gtt_modify)
    cancel = _Calls(requests.gtt_cancel)
    list = _Calls(requests.gtt_list)


class PortfolioMethods(_Group):
    """`portfolio.*`"""

    positions = _Calls(requests.positions)
    holdings = _Calls(requests.holdings)
    funds = _Calls(requests.funds)
    convert = _Calls(requests.convert)


class MarketMethods(_Group):
    """`market.*`"""

    quote = _Calls(requests.quote)
    ltp = _Calls(requests.ltp)
    depth = _Calls(requests.depth)
    candles = _Calls(requests.candles)
    status = _Calls(requests.market_status)
    holidays = _Calls(requests.holidays)
    option_chain = _Calls(requests.option_chain)
    greeks = _Calls(requests.option_greeks)


class InstrumentMethods(_Group):
    """`instrument.*`"""

    get = _Calls(requests.instrument_get)
    search = _Calls(requests.instrument_search)
    expiries = _Calls(requests.instrument_expiries)
    refresh = _Calls(requests.instrument_refresh)


class KillMethods(_Group):
    """`kill.*`"""

    engage = _Calls(requests.kill_engage)
    release = _Calls(requests.kill_release)
    status = _Calls(requests.kill_status)


class RiskMethods(_Group):
    """`risk.*`"""

    limits = _Calls(requests.risk_limits)
    check = _Calls(requests.risk_check)


class JournalMethods(_Group):
    """`journal.*`"""

    tail = _Calls(requests.journal_tail)
    verify = _Calls(requests.journal_verify)
    export = _Calls(requests.journal_export)


class RpcMethods(_Group):
    """`rpc.*`"""

    discover = _Calls(requests.discover)


class Groups:
    """Every group of methods the wire has."""

    system: SystemMethods
    account: AccountMethods
    order: OrderMethods
    gtt: GttMethods
    portfolio: PortfolioMethods
    market: MarketMethods
    instrument: InstrumentMethods
    kill: KillMethods
    risk: RiskMethods
    journal: JournalMethods
    alert: AlertMethods
    rpc: RpcMethods

    def __init__(self, sender: Sender) -> None:
        self.system = SystemMethods(sender)
        self.account = AccountMethods(sender)
        self.order = OrderMethods(sender)
        self.gtt = GttMethods(sender)
        self.portfolio = PortfolioMethods(sender)
        self.market = MarketMethods(sender)
        self.instrument = InstrumentMethods(sender)
        self.kill = KillMethods(sender)
        self.risk = RiskMethods(sender)
        self.journal = JournalMethods(sender)
        self.alert = AlertMethods(sender)
        self.rpc = RpcMethods(sender)


class AsyncSystemMethods(_AsyncGroup):
    """`system.*`"""

    ping = _Awaits(requests.ping)
    version = _Awaits(requests.version)
    status = _Awaits(requests.status)
    config = _Awaits(requests.config)
    reload = _Awaits(requests.reload)
    shutdown = _Awaits(requests.shutdown)


class AsyncAccountMethods(_AsyncGroup):
    """`account.*`"""

    list = _Awaits(requests.account_list)
    status = _Awaits(requests.account_status)
    login = _Awaits(requests.login)
    otp = _Awaits(requests.otp)
    logout = _Awaits(requests.logout)


class AsyncAlertMethods(_AsyncGroup):
    """`alert.*`"""

    test = _Awaits(requests.alert_test)


class AsyncOrderMethods(_AsyncGroup):
    """`order.*`"""

    place = _Awaits(requests.place)
    place_at = _Awaits(requests.place_at)
    modify = _Awaits(requests.modify)
    cancel = _Awaits(requests.cancel)
    cancel_all = _Awaits(requests.cancel_all)
    get = _Awaits(requests.order_get)
    list = _Awaits(requests.order_list)
    trades = _Awaits(requests.order_trades)
    history = _Awaits(requests.order_history)
    margin = _Awaits(requests.order_margin)
    resolve = _Awaits(requests.order_resolve)


class AsyncGttMethods(_AsyncGroup):
    """`gtt.*`"""

    place = _Awaits(requests.gtt_place)
    modify = _Awaits(requests.gtt_modify)
    cancel = _Awaits(requests.gtt_cancel)
    list = _Awaits(requests.gtt_list)


class AsyncPortfolioMethods(_AsyncGroup):
    """`portfolio.*`"""

    positions = _Awaits(requests.positions)
    holdings = _Awaits(requests.holdings)
    funds = _Awaits(requests.funds)
    convert = _Awaits(requests.convert)


class AsyncMarketMethods(_AsyncGroup):
    """`market.*`"""

    quote = _Awaits(requests.quote)
    ltp = _Awaits(requests.ltp)
    depth = _Awaits(requests.depth)
    candles = _Awaits(requests.candles)
    status = _Awaits(requests.market_status)
    holidays = _Awaits(requests.holidays)
    option_chain = _Awaits(requests.option_chain)
    greeks = _Awaits(requests.option_greeks)


class AsyncInstrumentMethods(_AsyncGroup):
    """`instrument.*`"""

    get = _Awaits(requests.instrument_get)
    search = _Awaits(requests.instrument_search)
    expiries = _Awaits(requests.instrument_expiries)
    refresh = _Awaits(requests.instrument_refresh)


class AsyncKillMethods(_AsyncGroup):
    """`kill.*`"""

    engage = _Awaits(requests.kill_engage)
    release = _Awaits(requests.kill_release)
    status = _Awaits(requests.kill_status)


class AsyncRiskMethods(_AsyncGroup):
    """`risk.*`"""

    limits = _Awaits(requests.risk_limits)
    check = _Awaits(requests.risk_check)


class AsyncJournalMethods(_AsyncGroup):
    """`journal.*`"""

    tail = _Awaits(requests.journal_tail)
    verify = _Awaits(requests.journal_verify)
    export = _Awaits(requests.journal_export)


class AsyncRpcMethods(_AsyncGroup):
    """`rpc.*`"""

    discover = _Awaits(requests.discover)


class AsyncGroups:
    """Every group of methods the wire has."""

    system: AsyncSystemMethods
    account: AsyncAccountMethods
    order: AsyncOrderMethods
    gtt: AsyncGttMethods
    portfolio: AsyncPortfolioMethods
    market: AsyncMarketMethods
    instrument: AsyncInstrumentMethods
    kill: AsyncKillMethods
    risk: AsyncRiskMethods
    journal: AsyncJournalMethods
    alert: AsyncAlertMethods
    rpc: AsyncRpcMethods

    def __init__(self, sender: AsyncSender) -> None:
        self.system = AsyncSystemMethods(sender)
        self.account = AsyncAccountMethods(sender)
        self.order = AsyncOrderMethods(sender)
        self.gtt = AsyncGttMethods(sender)
        self.portfolio = AsyncPortfolioMethods(sender)
        self.market = AsyncMarketMethods(sender)
        self.instrument = AsyncInstrumentMethods(sender)
        self.kill = AsyncKillMethods(sender)
        self.risk = AsyncRiskMethods(sender)
        self.journal = AsyncJournalMethods(sender)
        self.alert = AsyncAlertMethods(sender)
        self.rpc = AsyncRpcMethods(sender)
