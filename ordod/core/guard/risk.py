"""Risk limits: what this daemon's owner does not want to be able to happen.

`check` is a function of values: an order, the limits of each scope it falls under, and the facts. A limit that lacks a fresh
price passes, and is named in what the check returns, so that the answer can say so.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from msgspec import Struct

from ordod.domain.money import canonical
from ordod.domain.orders import OrderTerms, Variety
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError

__all__ = ["DAY_S", "Facts", "OrderRate", "check"]

DAY_S = 86_400.0


class Facts(Struct, frozen=True, kw_only=True):
    """What a scope's limits are held against.

    `rate`: orders of the scope in the last second, minute, day. `last_price`: fresh, or None. `is_open`: the order's
    exchange trades now. `look_alike`: the id of an
    order on the same terms under another key, and its age in seconds.
    """

    now: datetime
    rate: tuple[int, int, int] = (0, 0, 0)
    open_orders: int = 0
    last_price: Decimal | None = None
    is_open: bool = True
    look_alike: tuple[str, float] | None = None


class OrderRate:
    """How many orders a scope sent of late. Boot time."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(
            maxlen=100_000
        )  # above any day's count that a limit could name

    def add(self, at: float) -> None:
        self._sent.append(at)

    def forget(self, at: float) -> None:
        """What was added at this time was not sent after all."""
        with suppress(ValueError):  # a day old, and gone
            self._sent.remove(at)

    def counts(self, now: float) -> tuple[int, int, int]:
        while self._sent and now - self._sent[0] >= DAY_S:
            self._sent.popleft()
        second = minute = 0
        for at in reversed(self._sent):
            if now - at >= 60:
                break
            minute += 1
            second += now - at < 1
        return second, minute, len(self._sent)


def check(order: OrderTerms, scopes: Iterable[tuple[str, RiskLimits, Facts]]) -> tuple[str, ...]:
    """Refuse an order that breaks a limit; otherwise name the limits that could not be checked for want of a price.

    Args:
        scopes: name (`all`, `account paper`, `strategy orb`), limits, facts.
    Raises:
        OrdoError: RISK_REFUSED, with `limit` as `scope: limit`, and the value that was too much.
    """
    unchecked: list[str] = []
    for scope, limits, facts in scopes:
        for limit, why, value in _broken(order, limits, facts, unchecked):
            raise OrdoError(
                Kind.RISK_REFUSED,
                f"{why} ([risk] {limit} of {scope}). Nothing was sent; change the order or the limit.",
                limit=f"{scope}: {limit}",
                value=value,
            )
    return tuple(dict.fromkeys(unchecked))


def _broken(
    order: OrderTerms, limits: RiskLimits, facts: Facts, unchecked: list[str]
) -> Iterable[tuple[str, str, object]]:
    """Each broken limit: its name, what happened, the value."""
    symbol = order.symbol
    if limits.max_quantity is not None and order.quantity > limits.max_quantity:
        yield (
            "max_quantity",
            f"quantity {order.quantity} is above {limits.max_quantity}",
            order.quantity,
        )
    if limits.allow_instruments and not _matches(symbol, limits.allow_instruments):
        yield "allow_instruments", f"{symbol} is not among the allowed instruments", symbol
    if _matches(symbol, limits.forbid_instruments):
        yield "forbid_instruments", f"{symbol} is a forbidden instrument", symbol
    if limits.allow_products and order.product not in limits.allow_products:
        yield "allow_products", f"product {order.product} is not allowed", order.product
    if order.product in limits.forbid_products:
        yield "forbid_products", f"product {order.product} is forbidden", order.product
    yield from _broken_prices(order, limits, facts, unchecked)
    for name, most, count in zip(
        ("orders_per_second", "orders_per_minute", "orders_per_day"),
        (limits.orders_per_second, limits.orders_per_minute, limits.orders_per_day),
        facts.rate,
        strict=True,
    ):
        if most is not None and count >= most:
            yield name, f"{count} orders were sent already, {most} are allowed", count
    if limits.max_open_orders is not None and facts.open_orders >= limits.max_open_orders:
        yield "max_open_orders", f"{facts.open_orders} orders are open already", facts.open_orders
    if limits.look_alike_s and facts.look_alike and facts.look_alike[1] < limits.look_alike_s:
        twin, age = facts.look_alike
        yield "look_alike_s", f"order {twin} on the same terms was sent {age:.1f} s ago", twin
    is_for_now = order.variety is not Variety.AMO  # that one is meant for closed hours
    if limits.market_hours and is_for_now and not facts.is_open:
        yield "market_hours", f"{symbol.partition(':')[0]} is closed at {facts.now:%H:%M}", symbol


def _broken_prices(
    order: OrderTerms, limits: RiskLimits, facts: Facts, unchecked: list[str]
) -> Iterable[tuple[str, str, object]]:
    price = order.price or order.trigger_price or facts.last_price
    if limits.max_value is not None:
        if price is None:
            unchecked.append("max_value")
        elif (value := price * order.quantity) > limits.max_value:
            shown = canonical(value)
            yield "max_value", f"value {shown} is above {canonical(limits.max_value)} rupees", shown
    if limits.price_band_percent is not None and order.price is not None:
        if facts.last_price is None:
            unchecked.append("price_band_percent")
        else:
            away = abs(order.price - facts.last_price) * 100 / facts.last_price
            if away > limits.price_band_percent:
                yield (
                    "price_band_percent",
                    f"price {canonical(order.price)} is {away:.1f} % from the last, {canonical(facts.last_price)}",
                    canonical(order.price),
                )


def _matches(symbol: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(symbol, pattern) for pattern in patterns)
