"""`market.option_chain` and `market.greeks`: options as their quotes tell them, and what Black's model makes of these.

The forward comes from where it trades: the future of the same expiry; for commodities, whose options end before their future
does, the next future; else from parity, the call and the put at the strike next to the spot. An option's price is the middle of
its best bid and ask, else its last. All that was put into the model stands in the answer.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from ordod.core.account import Account
from ordod.core.parts import Parts
from ordod.domain import black76
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Quote
from ordod.errors import Kind, OrdoError
from ordod.service.asking import READ_KINDS, Asking
from ordod.service.methods import Call, Example, Method, Role, Rupees
from ordod.service.orders import Symbol
from ordod.service.params import AccountName
from ordod.service.underlyings import contracts_of, known_expiries, name_in, spot_of

__all__ = ["methods"]

DAY_S = 86_400
CALL, PUT, FUTURE = InstrumentKind.CALL, InstrumentKind.PUT, InstrumentKind.FUTURE
FUTURE_OUTLIVES = (Exchange.MCX,)  # options on a future that ends after them
UNITS = (
    "delta and gamma: for a rupee of the forward; theta: rupees for a calendar day; "
    "vega, rho: rupees for a point (1 %) of volatility, of the rate"
)

Percent = Annotated[Rupees, Meta(description="percent a year, such as 6.5")]


class Chain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strikes of which underlying.

    Args:
        symbol: the underlying's.
        expiry: without, the nearest.
        strikes: so many on each side of the one at the money.
        rate_percent: the interest rate; without, 0.
        account: whose broker is asked; without, one that has a session.
    """

    symbol: Symbol
    expiry: date | None = None
    strikes: Annotated[int, Meta(ge=1, le=100)] = 10
    rate_percent: Percent | None = None
    account: AccountName | None = None


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which options, and what is put into the model.

    Args:
        forward: what to take for the forward of all of them, rupees; without, it is looked for.
        rate_percent: the interest rate; without, 0.
        account: whose broker is asked; without, one that has a session.
    """

    symbols: Annotated[list[Symbol], Meta(min_length=1, max_length=200)]
    forward: Rupees | None = None
    rate_percent: Percent | None = None
    account: AccountName | None = None


class Forward(Struct, frozen=True):
    """The price that the model takes the options to be on.

    Args:
        price: rupees.
        source: `future`, `parity` or `given`.
        symbols: whose prices it was made of.
    """

    price: Decimal
    source: str
    symbols: tuple[str, ...] = ()


class Basis(Struct, frozen=True, kw_only=True):
    """What was put into the model.

    Args:
        forward: null: none was found, and there are no greeks.
        at: when the prices were read.
        expires_at: when the options end.
        days: calendar days from `at` to `expires_at`.
        rate_percent: percent a year.
        model: its name.
        day_count: 365 days are a year.
        units: of the greeks, in words.
    """

    forward: Forward | None
    at: datetime
    expires_at: datetime
    days: float
    rate_percent: Decimal
    model: str = "black-76"
    day_count: str = "actual/365"
    units: str = UNITS

    @property
    def years(self) -> float:
        return self.days / black76.DAYS_YEAR


class Greeks(Struct, frozen=True, kw_only=True):
    """What Black's model makes of an option's price.

    Args:
        price: what the volatility was found from, rupees.
        priced_by: `mid` of bid and ask, or `last`.
        iv_percent: implied volatility, percent a year.
        delta: for a rupee of the forward.
        gamma: of delta, for a rupee of the forward.
        theta: rupees for a calendar day.
        vega: rupees for a point (1 %) of volatility.
        rho: rupees for a point (1 %) of the rate.
    """

    price: Decimal
    priced_by: str
    iv_percent: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class Leg(Struct, frozen=True, kw_only=True):
    """One option of a strike.

    Args:
        bid_price: the best; null: none.
        ask_price: the best; null: none.
        greeks: null where no volatility explains the price.
    """

    symbol: str
    last_price: Decimal
    bid_price: Decimal | None
    ask_price: Decimal | None
    volume: int | None
    oi: int | None
    greeks: Greeks | None


class Row(Struct, frozen=True):
    """A strike. A side is null where it is not listed, or the broker is silent about it; then `missing` names it.

    Args:
        call: the CE.
        put: the PE.
    """

    strike: Decimal
    call: Leg | None
    put: Leg | None


class OptionChain(Struct, frozen=True, kw_only=True):
    """Strikes of one expiry around the money.

    Args:
        spot: the underlying's last price, rupees; null: not known.
        money: the strike next to the forward, or the spot.
        lot_size: units.
        basis: what was put into the model.
        strikes: from the lowest up.
    """

    symbol: str
    expiry: date
    spot: Decimal | None
    money: Decimal
    lot_size: int | None
    basis: Basis
    strikes: list[Row]
    missing: list[str]


class OptionGreeks(Struct, frozen=True, kw_only=True):
    """An option, and what the model makes of its price.

    Args:
        kind: CE or PE.
        basis: what was put into the model.
        greeks: null where no volatility explains the price.
    """

    strike: Decimal
    kind: InstrumentKind
    expiry: date
    basis: Basis
    greeks: Greeks | None


class GreeksBySymbol(Struct, frozen=True):
    """Each option's.

    Args:
        options: by symbol as asked for.
    """

    options: dict[str, OptionGreeks]
    missing: list[str]


class _Series:
    """The contracts of one underlying and expiry at one broker, and the quotes of some of them."""

    def __init__(self, account: Account, exchange: Exchange, name: str, expiry: date) -> None:
        contracts = account.master.contracts(exchange, name, expiry)
        self.exchange = exchange
        self.expiry = expiry
        self.spot = spot_of(account, exchange, name)
        self.future = next((one for one in contracts if one.kind is FUTURE), None)
        if self.future is None and exchange in FUTURE_OUTLIVES:
            self.future = _next_future(account, exchange, name, expiry)
        self.sides: dict[Decimal, dict[InstrumentKind, Instrument]] = {}
        for one in sorted(contracts, key=lambda one: one.strike or 0):
            if one.strike is not None and one.kind in (CALL, PUT):
                self.sides.setdefault(one.strike, {})[one.kind] = one
        self.quotes: dict[str, Quote] = {}

    def leaders(self) -> list[Instrument]:
        """What tells where the money is."""
        return [one for one in (self.future, self.spot) if one is not None]

    def price_of(self, one: Instrument | None) -> Decimal | None:
        quote = self.quotes.get(one.symbol) if one is not None else None
        return _priced(quote)[0] if quote is not None else None

    def money(self) -> Decimal | None:
        """The strike next to the future, or the spot; None: neither has a price."""
        centre = self.price_of(self.future) or self.price_of(self.spot)
        if centre is None or not self.sides:
            return None
        return min(self.sides, key=lambda strike: abs(strike - centre))

    def pair(self) -> list[Instrument]:
        """The call and put a forward is made of where no future tells it."""
        money = self.money()
        if self.price_of(self.future) is not None or money is None:
            return []
        return list(self.sides[money].values())

    def forward(self, years: float, rate: float) -> Forward | None:
        price = self.price_of(self.future)
        if price is not None and self.future is not None:
            return Forward(price, "future", (self.future.symbol,))
        pair = self.pair()
        prices = {one.kind: self.price_of(one) for one in pair}
        call, put, strike = prices.get(CALL), prices.get(PUT), self.money()
        if call is None or put is None or strike is None:
            return None
        found = black76.parity_forward(float(strike), float(call), float(put), years, rate)
        if found <= 0:
            return None
        return Forward(round(Decimal(found), 4), "parity", tuple(one.symbol for one in pair))


class _Options:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asking = Asking(parts)

    async def chain(self, _: Call, params: Chain) -> OptionChain:
        account = self._asking.account(params.account, "quotes")
        await self._asking.ready(account)
        exchange, name = contracts_of(params.symbol)
        expiry = _expiry(account, params)
        series = _Series(account, exchange, name, expiry)
        await self._read(account, [series], series.leaders())
        money = series.money()
        if money is None:
            raise OrdoError(
                Kind.BROKER_ERROR,
                f"{account.spec.name} gave no price of {params.symbol} or its future: where the money is is not known",
                account=account.name,
            )
        every = list(series.sides)
        at = every.index(money)
        strikes = every[max(0, at - params.strikes) : at + params.strikes + 1]
        wanted = [one for strike in strikes for one in series.sides[strike].values()]
        await self._read(account, [series], wanted)
        basis = self._basis(series, params.rate_percent or Decimal(0), None)
        return OptionChain(
            symbol=params.symbol,
            expiry=expiry,
            spot=series.quotes[series.spot.symbol].last_price
            if series.spot and series.spot.symbol in series.quotes
            else None,
            money=money,
            lot_size=wanted[0].lot_size,
            basis=basis,
            strikes=[
                Row(
                    strike,
                    _leg(series, series.sides[strike].get(CALL), basis),
                    _leg(series, series.sides[strike].get(PUT), basis),
                )
                for strike in strikes
            ],
            missing=[one.symbol for one in wanted if one.symbol not in series.quotes],
        )

    async def greeks(self, _: Call, params: Options) -> GreeksBySymbol:
        account = self._asking.account(params.account, "quotes")
        await self._asking.ready(account)
        asked = {symbol: self._option(account, symbol) for symbol in params.symbols}
        series: dict[tuple[Exchange, str, date | None], _Series] = {}
        for one in asked.values():
            assert one.expiry is not None
            key = (one.exchange, name_in(one), one.expiry)
            if key not in series:
                series[key] = _Series(account, key[0], key[1], one.expiry)
        leaders = [one for each in series.values() for one in each.leaders()]
        first = [] if params.forward is not None else leaders
        await self._read(account, series.values(), [*asked.values(), *first])
        if params.forward is None:
            pairs = [one for each in series.values() for one in each.pair()]
            await self._read(account, series.values(), pairs)
        answers: dict[str, OptionGreeks] = {}
        for symbol, one in asked.items():
            its = series[one.exchange, name_in(one), one.expiry]
            quote = its.quotes.get(one.symbol)
            if quote is None:
                continue
            basis = self._basis(its, params.rate_percent or Decimal(0), params.forward)
            assert one.strike is not None
            answers[symbol] = OptionGreeks(
                strike=one.strike,
                kind=one.kind,
                expiry=its.expiry,
                basis=basis,
                greeks=_greeks(one, quote, basis),
            )
        return GreeksBySymbol(answers, [symbol for symbol in asked if symbol not in answers])

    def _option(self, account: Account, symbol: str) -> Instrument:
        one = self._parts.desk.instrument(account, symbol)
        if one.kind not in (CALL, PUT) or one.strike is None or one.expiry is None:
            raise OrdoError(
                Kind.INVALID_PARAMS, f"{symbol} is no option", field="symbols", value=symbol
            )
        return one

    async def _read(
        self, account: Account, series: Iterable[_Series], wanted: list[Instrument]
    ) -> None:
        """Ask for the quotes that are not there yet, and give them to all."""
        every = list(series)
        lacking = [one for one in wanted if one.symbol not in every[0].quotes]
        if not lacking:
            return
        quotes = await self._asking.quotes(account, lacking)
        for each in every:
            each.quotes |= quotes

    def _basis(self, series: _Series, rate_percent: Decimal, given: Decimal | None) -> Basis:
        now = self._parts.clock.now()
        calendar = self._parts.calendar.calendar
        sessions = calendar.sessions(series.exchange, series.expiry)
        closes = (sessions or calendar.usual(series.exchange, series.expiry))[-1].closes
        ends = datetime.combine(series.expiry, closes, now.tzinfo)
        days = round(max(0.0, (ends - now).total_seconds() / DAY_S), 4)
        forward = (
            Forward(given, "given")
            if given is not None
            else series.forward(days / black76.DAYS_YEAR, float(rate_percent) / 100)
        )
        return Basis(forward=forward, at=now, expires_at=ends, days=days, rate_percent=rate_percent)


def _expiry(account: Account, params: Chain) -> date:
    """The one asked for, or the nearest that has options."""
    known = known_expiries(account, params.symbol)
    ends = sorted({expiry for expiry, kind in known if kind in (CALL, PUT)})
    if not ends or params.expiry not in (None, *ends):
        there = ", ".join(str(expiry) for expiry in ends) or "none"
        raise OrdoError(
            Kind.UNKNOWN_INSTRUMENT,
            f"{account.spec.name} has no options on {params.symbol}"
            + (f" that end on {params.expiry}; there are {there}" if params.expiry else ""),
            field="expiry" if params.expiry else "symbol",
            value=str(params.expiry or params.symbol),
        )
    return params.expiry or ends[0]


def _next_future(
    account: Account, exchange: Exchange, name: str, expiry: date
) -> Instrument | None:
    later = [
        on
        for on, kind in account.master.expiries(exchange, name)
        if kind is FUTURE and on >= expiry
    ]
    if not later:
        return None
    found = account.master.contracts(exchange, name, later[0])
    return next((one for one in found if one.kind is FUTURE), None)


def _priced(quote: Quote) -> tuple[Decimal, str]:
    """The middle of the best bid and ask, else the last price."""
    depth = quote.depth
    if depth is not None and depth.buy and depth.sell:
        return (depth.buy[0].price + depth.sell[0].price) / 2, "mid"
    return quote.last_price, "last"


def _leg(series: _Series, one: Instrument | None, basis: Basis) -> Leg | None:
    quote = series.quotes.get(one.symbol) if one is not None else None
    if one is None or quote is None:
        return None
    depth = quote.depth
    return Leg(
        symbol=one.symbol,
        last_price=quote.last_price,
        bid_price=depth.buy[0].price if depth and depth.buy else None,
        ask_price=depth.sell[0].price if depth and depth.sell else None,
        volume=quote.volume,
        oi=quote.oi,
        greeks=_greeks(one, quote, basis),
    )


def _greeks(one: Instrument, quote: Quote, basis: Basis) -> Greeks | None:
    if basis.forward is None or one.strike is None:
        return None
    price, priced_by = _priced(quote)
    is_call, rate = one.kind is CALL, float(basis.rate_percent) / 100
    at = (is_call, float(basis.forward.price), float(one.strike), basis.years, rate)
    volatility = black76.implied_volatility(*at, float(price))
    if volatility is None:
        return None
    found = black76.greeks(*at, volatility)
    return Greeks(
        price=price,
        priced_by=priced_by,
        iv_percent=round(volatility * 100, 4),
        delta=round(found.delta, 4),
        gamma=round(found.gamma, 8),
        theta=round(found.theta, 4),
        vega=round(found.vega, 4),
        rho=round(found.rho, 4),
    )


def methods(parts: Parts) -> Iterable[Method]:
    options = _Options(parts)
    chain: Mapping[str, object] = {
        "symbol": "NSE_INDEX:NIFTY",
        "strikes": 5,
        "account": "paper",
    }
    today = parts.clock.now().date()
    tuesday = today + timedelta(days=(1 - today.weekday()) % 7)  # NIFTY's week ends on it
    greeks: Mapping[str, object] = {
        "symbols": [f"NFO:NIFTY{tuesday:%d%b%y}25000CE".upper()],
        "account": "paper",
    }
    yield Method(
        name="market.option_chain",
        role=Role.READ,
        summary="Calls and puts around the money: quotes, open interest, implied volatility and greeks.",
        params=Chain,
        result=OptionChain,
        run=options.chain,
        heavy=True,
        errors=READ_KINDS,
        examples=(Example(chain, {"symbol": "NSE_INDEX:NIFTY", "missing": []}),),
    )
    yield Method(
        name="market.greeks",
        role=Role.READ,
        summary="Implied volatility and greeks of options, and all that was put into the model.",
        params=Options,
        result=GreeksBySymbol,
        run=options.greeks,
        heavy=True,
        errors=READ_KINDS,
        examples=(Example(greeks, {"missing": []}),),
    )
