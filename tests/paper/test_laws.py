"""What holds whatever users do: money, quantities, priority, and a book that can be lived again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ordod.domain.gtt import GttLeg, NewGtt
from ordod.domain.instruments import Exchange as Market
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.orders import NewOrder, OrderChanges, OrderType, Product, Side, Validity, Variety
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange, Refusal
from ordod.paper.hours import IST, MARKET_HOURS, Hours
from ordod.paper.market import Listing

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
USERS = ("asha", "bina", "chad")
ROCK, WAVE = "NSE:ROCK", "NSE:WAVE"  # one stands still and has no market maker; the other lives


class Do(NamedTuple):
    """One thing a user does, `wait` seconds after the one before; `at` picks one of his orders."""

    verb: str
    user: str
    wait: float
    at: int
    terms: NewOrder
    changes: OrderChanges


def listings() -> Iterable[Listing]:
    for symbol, volatility, depth in ((ROCK, 0.0, 0), (WAVE, 0.05, 40)):
        instrument = Instrument(
            exchange=Market.NSE,
            symbol=symbol,
            broker_symbol=symbol[4:],
            instrument_token=symbol[4:],
            kind=InstrumentKind.EQUITY,
            tick_size=Decimal("0.05"),
            lot_size=1,
        )
        yield Listing(
            instrument=instrument,
            last_price=Decimal(100),
            volatility=volatility,
            depth_quantity=depth,
        )


def exchange(**options: Any) -> Exchange:
    return Exchange(listings(), seed=5, cash=Decimal(20_000), **options)


prices = st.integers(1_980, 2_020).map(lambda ticks: Decimal(ticks) / 20)
quantities = st.integers(1, 60)


@st.composite
def terms(draw: st.DrawFn, symbols: tuple[str, ...]) -> NewOrder:
    kind = draw(st.sampled_from(OrderType))
    price, trigger = draw(prices), draw(prices)
    side = draw(st.sampled_from(Side))
    if kind is OrderType.SL:
        price = max(price, trigger) if side is Side.BUY else min(price, trigger)
    validity = draw(st.sampled_from(Validity))
    is_iceberg = draw(st.booleans()) and draw(st.booleans())
    return NewOrder(
        symbol=draw(st.sampled_from(symbols)),
        side=side,
        quantity=draw(quantities),
        type=kind,
        product=draw(st.sampled_from((Product.CNC, Product.MIS))),
        price=price if kind in (OrderType.LIMIT, OrderType.SL) else None,
        trigger_price=trigger if kind in (OrderType.SL, OrderType.SL_M) else None,
        validity=validity,
        validity_minutes=draw(st.integers(1, 5)) if validity is Validity.TTL else None,
        variety=Variety.ICEBERG if is_iceberg else Variety.REGULAR,
        iceberg_legs=3 if is_iceberg else None,
        tag=None,
    )


@st.composite
def steps(draw: st.DrawFn, symbols: tuple[str, ...] = (ROCK, WAVE)) -> Do:
    verbs = ("place", "place", "place", "modify", "cancel", "convert", "gtt", "look")
    changes = OrderChanges(
        price=draw(st.none() | prices),
        quantity=draw(st.none() | quantities),
        type=draw(st.none() | st.just(OrderType.LIMIT) | st.just(OrderType.MARKET)),
    )
    return Do(
        draw(st.sampled_from(verbs)),
        draw(st.sampled_from(USERS)),
        draw(st.sampled_from((0.0, 0.1, 0.3, 7.0, 90.0, 1_000.0))),
        draw(st.integers(0, 5)),
        draw(terms(symbols)),
        changes,
    )


def live(market: Exchange, done: Iterable[Do]) -> datetime:
    """Let users do all that; the time it is then. Refusals are answers like others."""
    now = START
    for step in done:
        now += timedelta(seconds=step.wait)
        try:
            act(market, step, now)
        except Refusal:
            continue
    return now


def act(market: Exchange, step: Do, now: datetime) -> None:
    user, order = step.user, step.terms
    own = market.orders(user)
    match step.verb:
        case "place":
            market.place(user, order, now)
        case "modify" if own:
            market.modify(user, own[step.at % len(own)].order_id, step.changes, now)
        case "cancel" if own:
            market.cancel(user, own[step.at % len(own)].order_id, now)
        case "convert":
            other = Product.MIS if order.product is Product.CNC else Product.CNC
            wanted = Conversion(
                symbol=order.symbol,
                side=order.side,
                quantity=step.at + 1,
                from_product=order.product,
                to_product=other,
            )
            market.convert(user, wanted, now)
        case "gtt":
            leg = GttLeg(
                trigger_price=step.changes.price or Decimal(101),
                side=order.side,
                quantity=order.quantity,
                price=Decimal(100),
                product=Product.MIS,
            )
            market.place_gtt(user, NewGtt(symbol=WAVE, legs=(leg,)), now)
        case _:
            market.quote(order.symbol, now)
            market.positions(user)
            market.advance(now)


def worth(market: Exchange, user: str) -> Decimal:
    """What a user would have if all were closed at the last price."""
    total = market.funds(user).cash or Decimal(0)
    for position in market.positions(user):
        assert position.last_price is not None
        assert position.unrealised is not None
        if position.product is Product.CNC:
            total += position.quantity * position.last_price
        else:
            total += position.unrealised
    return total


@given(st.lists(steps(symbols=(ROCK,)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_users_who_trade_with_each_other_make_and_lose_nothing_together(done: list[Do]) -> None:
    market = exchange()

    live(market, [step for step in done if step.verb != "gtt"])

    held = [position.quantity for user in USERS for position in market.positions(user)]
    assert sum(worth(market, user) for user in USERS) == 60_000
    assert sum(held) == 0


@given(st.lists(steps(), max_size=40))
@settings(max_examples=60, deadline=None)
def test_an_order_never_gets_more_than_it_asked_for_nor_through_its_limit(done: list[Do]) -> None:
    market = exchange()

    live(market, done)

    for user in USERS:
        for order in market.orders(user):
            fills = order.fills
            bound = order.terms.price
            assert sum(fill.quantity for fill in fills) == order.filled_quantity
            assert order.filled_quantity <= order.terms.quantity
            assert order.row().filled_quantity == order.filled_quantity
            was_changed = len({mark.terms for mark in order.marks}) > 1
            if bound is not None and not was_changed:
                worst = (max if order.buy else min)((fill.price for fill in fills), default=bound)
                assert worst <= bound if order.buy else worst >= bound


@given(st.lists(steps(), max_size=40))
@settings(max_examples=60, deadline=None)
def test_positions_are_the_sum_of_fills_and_ended_orders_tie_up_nothing(done: list[Do]) -> None:
    market = exchange()
    now = live(market, [step for step in done if step.verb != "convert"])

    for user in USERS:
        for order in market.orders(user):
            if order.is_live:
                market.cancel(user, order.order_id, now)

    for user in USERS:
        bought = {fill.symbol: 0 for fill in market.trades(user)}
        for fill in market.trades(user):
            bought[fill.symbol] += fill.quantity if fill.side is Side.BUY else -fill.quantity
        held = dict.fromkeys(bought, 0)
        for position in market.positions(user):
            held[position.symbol] += position.quantity
        intraday = [
            abs(p.quantity) * (p.average_price or Decimal(0))
            for p in market.positions(user)
            if p.product is Product.MIS
        ]
        tied = market.funds(user).used or Decimal(0)
        assert held == bought
        assert abs(tied - sum(intraday, Decimal(0)) / 5) < Decimal("0.1")


@given(st.lists(steps(), max_size=30), st.sampled_from((None, MARKET_HOURS)))
@settings(max_examples=60, deadline=None)
def test_the_saved_commands_restore_the_exchange_whoever_looked_in_between(
    done: list[Do], hours: Hours | None
) -> None:
    lines: list[bytes] = []
    lived = exchange(save=lines.append, hours=hours)
    now = live(lived, done) + timedelta(seconds=40)

    again = exchange(hours=hours)
    again.replay(lines)

    lived.advance(now)
    again.advance(now)
    assert again.dump() == lived.dump()


@given(st.lists(steps(), max_size=25), st.lists(steps(), max_size=10))
@settings(max_examples=40, deadline=None)
def test_a_dump_goes_on_as_the_exchange_itself_does(before: list[Do], after: list[Do]) -> None:
    lived = exchange()
    now = live(lived, before)
    loaded = exchange()
    loaded.load(lived.dump())
    was_the_same = loaded.dump() == lived.dump()

    for step in after:
        now += timedelta(seconds=step.wait)
        for market in (lived, loaded):
            try:
                act(market, step, now)
            except Refusal:
                continue

    assert was_the_same
    assert loaded.dump() == lived.dump()


class Waiting(NamedTuple):
    name: int
    user: str
    side: Side
    price: Decimal


def naive(orders: list[tuple[str, Side, Decimal, int]]) -> list[tuple[int, int, int, Decimal]]:
    """Price-time matching as slowly and plainly as it can be written: (taker, other, quantity, price)."""
    left: dict[int, int] = {}
    waiting: list[Waiting] = []
    trades: list[tuple[int, int, int, Decimal]] = []
    for name, (user, side, price, quantity) in enumerate(orders):
        left[name] = quantity
        sign = 1 if side is Side.BUY else -1
        against = [w for w in waiting if w.side is not side and sign * w.price <= sign * price]
        for other in sorted(against, key=lambda w: (sign * w.price, w.name)):
            traded = min(left[name], left[other.name])
            if traded:
                trades.append((name, other.name, traded, other.price))
                left[name] -= traded
                left[other.name] -= traded
        waiting.append(Waiting(name, user, side, price))
    return trades


arrivals = st.tuples(st.sampled_from(USERS), st.sampled_from(Side), prices, st.integers(1, 20))


@given(st.lists(arrivals, max_size=40))
@example([("asha", Side.SELL, Decimal(100), 5), ("bina", Side.BUY, Decimal(100), 5)])
@settings(max_examples=100, deadline=None)
def test_the_book_matches_as_the_plainest_matching_does(
    orders: list[tuple[str, Side, Decimal, int]],
) -> None:
    market = Exchange(listings(), seed=5, cash=Decimal(10**9))

    placed = [
        market.place(
            user,
            NewOrder(
                symbol=ROCK,
                side=side,
                quantity=quantity,
                type=OrderType.LIMIT,
                product=Product.MIS,
                price=price,
                tag=None,
            ),
            START,
        )
        for user, side, price, quantity in orders
    ]

    sides: dict[int, list[tuple[int, int, Decimal]]] = {}
    for name, order in enumerate(placed):
        for part, fill in zip(order.parts, order.fills, strict=True):
            sides.setdefault(part.number, []).append((name, fill.quantity, fill.price))
    trades = []
    for number in sorted(sides):
        (other, _, _), (taker, quantity, price) = sorted(sides[number])
        trades.append((taker, other, quantity, price))
    assert trades == naive(orders)
