"""A user's money, positions and holdings, in paise and units. No charges and no settlement: what is sold can be spent.

Delivery (CNC) is paid in full when it is filled. Everything else ties up margin: a fraction of the larger of what the
position could become if all open buys, or all open sells, were filled; so an order that makes a position smaller needs
nothing. An option that is held ties up its premium; one that is sold ties up what a future would, whatever else is held, and
the premium counts when it is closed. Profit becomes cash when a position is made smaller, at average cost.
"""

from msgspec import Struct

from ordod.domain.instruments import InstrumentKind
from ordod.domain.orders import Product
from ordod.domain.portfolio import Holding, Position
from ordod.paper.market import Listing, to_paise
from ordod.paper.orders import average, rupees_of

__all__ = ["Account", "Bucket", "Held", "margin_rate"]

INTRADAY_RATE = 2_000  # of 10,000: MIS in shares ties up a fifth
FULL = 10_000


def margin_rate(listing: Listing, product: Product) -> int:
    """Ten-thousandths of a position's value that it ties up."""
    if listing.instrument.kind is InstrumentKind.EQUITY:
        return INTRADAY_RATE if product is Product.MIS else FULL
    return int(listing.margin_rate * FULL)


class Bucket(Struct, kw_only=True):
    """One user's instrument and product. `net` and `cost` are signed; `asked_*` is what open orders ask for.

    `short_margin`: what each unit of a short position ties up, where that is not `rate` of its value: of options, paise.
    """

    symbol: str
    product: Product
    rate: int
    carried: int = 0
    net: int = 0
    cost: int = 0
    buy_quantity: int = 0
    buy_value: int = 0
    sell_quantity: int = 0
    sell_value: int = 0
    realised: int = 0
    asked_buy: int = 0
    asked_buy_value: int = 0
    asked_sell: int = 0
    asked_sell_value: int = 0
    tied: int = 0
    short_margin: int = 0

    @property
    def is_delivery(self) -> bool:
        return self.product is Product.CNC

    @property
    def is_position(self) -> bool:
        """There is, or was today, something in it."""
        return bool(self.net or self.carried or self.buy_quantity or self.sell_quantity)

    def ask(self, buy: bool, quantity: int, price: int) -> None:
        """An order asks for so much more, or (negative) for so much less."""
        if buy:
            self.asked_buy += quantity
            self.asked_buy_value += quantity * price
        else:
            self.asked_sell += quantity
            self.asked_sell_value += quantity * price

    def needs(self) -> int:
        """What position and open orders together tie up, paise."""
        if self.is_delivery:
            return self.asked_buy_value
        longest = _exposure(self.net, self.cost, self.asked_buy, self.asked_buy_value)
        if self.short_margin:
            long = -(-longest * self.rate // FULL)
            return max(long, max(0, self.asked_sell - self.net) * self.short_margin)
        shortest = _exposure(-self.net, -self.cost, self.asked_sell, self.asked_sell_value)
        return -(-max(longest, shortest) * self.rate // FULL)

    def fill(self, buy: bool, quantity: int, price: int) -> int:
        """Count an execution; the change of cash it brings, paise."""
        value = quantity * price
        if buy:
            self.buy_quantity += quantity
            self.buy_value += value
        else:
            self.sell_quantity += quantity
            self.sell_value += value
        gain = self._change(quantity if buy else -quantity, value if buy else -value)
        self.realised += gain
        if self.is_delivery:
            return -value if buy else value
        return gain

    def hand_over(self, target: "Bucket", quantity: int) -> int:
        """Move units of the position to another product at their cost; the change of cash, paise."""
        assert 0 < quantity <= abs(self.net)
        is_long = self.net > 0
        cost = self.cost * quantity // abs(self.net)
        signed = quantity if is_long else -quantity
        self._change(-signed, -cost)
        gain = target._change(signed, cost)
        carried = min(quantity, abs(self.carried))
        today = quantity - carried
        for bucket, sign in ((self, -1), (target, 1)):
            bucket.carried += sign * (carried if is_long else -carried)
            if is_long:
                bucket.buy_quantity += sign * today
                bucket.buy_value += sign * (cost * today // quantity)
            else:
                bucket.sell_quantity += sign * today
                bucket.sell_value -= sign * (cost * today // quantity)
        target.realised += gain
        paid = cost * (self.is_delivery - target.is_delivery)
        return paid + (0 if target.is_delivery else gain)

    def _change(self, quantity: int, value: int) -> int:
        """Add a signed quantity for a signed value; the profit of what was closed by it."""
        closing = min(abs(self.net), abs(quantity)) if self.net * quantity < 0 else 0
        gain = 0
        if closing:
            freed = self.cost * closing // abs(self.net)
            paid = value * closing // abs(quantity)
            gain = -(freed + paid)
            self.cost -= freed
            self.net += closing if quantity > 0 else -closing
            value -= paid
            quantity -= closing if quantity > 0 else -closing
        self.net += quantity
        self.cost += value
        assert self.net or not self.cost
        return gain

    def position(self, last: int) -> Position:
        unrealised = self.net * last - self.cost
        return Position(
            symbol=self.symbol,
            product=self.product,
            quantity=self.net,
            overnight_quantity=self.carried,
            average_price=average(self.cost, self.net),
            last_price=rupees_of(last),
            pnl=rupees_of(self.realised + unrealised),
            realised=rupees_of(self.realised),
            unrealised=rupees_of(unrealised),
            buy_quantity=self.buy_quantity,
            buy_value=rupees_of(self.buy_value),
            sell_quantity=self.sell_quantity,
            sell_value=rupees_of(self.sell_value),
        )


def _exposure(net: int, cost: int, asked: int, asked_value: int) -> int:
    """Value of the position one way if all that is asked for were filled."""
    if net >= 0:
        return cost + asked_value
    return asked_value * (asked + net) // asked if asked + net > 0 else 0


class Held(Struct):
    """Shares in demat and what they cost, paise."""

    quantity: int = 0
    cost: int = 0


class Account(Struct):
    """One user's. `tied` is the sum of all buckets'."""

    cash: int
    opening: int
    tied: int = 0
    buckets: dict[str, Bucket] = {}
    held: dict[str, Held] = {}

    @property
    def available(self) -> int:
        return self.cash - self.tied

    def bucket(self, listing: Listing, product: Product) -> Bucket:
        """The user's bucket; a new one, kept only once it is `put`, where there is none yet."""
        symbol = listing.instrument.symbol
        found = self.buckets.get(symbol + " " + product)
        if found is None:
            return Bucket(
                symbol=symbol,
                product=product,
                rate=margin_rate(listing, product),
                short_margin=to_paise(listing.short_margin),
            )
        return found

    def settle(self, bucket: Bucket) -> None:
        """Tie up what the bucket needs now."""
        needs = bucket.needs()
        self.tied += needs - bucket.tied
        bucket.tied = needs

    def sellable(self, bucket: Bucket) -> int:
        """Units that can still be sold for delivery."""
        held = self.held.get(bucket.symbol)
        return (held.quantity if held else 0) + bucket.net - bucket.asked_sell

    def put(self, bucket: Bucket) -> None:
        """Let this bucket stand in place of the one of its symbol and product."""
        self.buckets[bucket.symbol + " " + bucket.product] = bucket
        self.settle(bucket)

    def holding(self, symbol: str, last: int, close: int) -> Holding:
        held = self.held[symbol]
        bucket = self.buckets.get(f"{symbol} {Product.CNC}")
        used = min(held.quantity, max(0, -bucket.net)) if bucket else 0
        return Holding(
            symbol=symbol,
            isin=None,
            quantity=held.quantity - used,
            used_quantity=used,
            average_price=average(held.cost, held.quantity),
            last_price=rupees_of(last),
            close_price=rupees_of(close),
            pnl=rupees_of(held.quantity * last - held.cost),
        )

    def next_day(self, last: dict[str, int], ended: set[str]) -> None:
        """Carry positions into a new day: delivery to the holdings, intraday and ended contracts closed at `last`, paise."""
        for key, bucket in list(self.buckets.items()):
            if bucket.is_delivery:
                self._deliver(bucket)
                bucket.net = bucket.cost = 0
            elif bucket.net and (bucket.product is Product.MIS or bucket.symbol in ended):
                self.cash += bucket.fill(bucket.net < 0, abs(bucket.net), last[bucket.symbol])
            bucket.carried = bucket.net
            bucket.buy_quantity = bucket.buy_value = 0
            bucket.sell_quantity = bucket.sell_value = bucket.realised = 0
            self.settle(bucket)
            if not (bucket.net or bucket.asked_buy or bucket.asked_sell):
                del self.buckets[key]
        self.opening = self.cash

    def _deliver(self, bucket: Bucket) -> None:
        if not bucket.net:
            return
        held = self.held.setdefault(bucket.symbol, Held())
        if bucket.net > 0:
            held.quantity += bucket.net
            held.cost += bucket.cost
        else:
            held.cost += held.cost * bucket.net // held.quantity
            held.quantity += bucket.net
        if not held.quantity:
            del self.held[bucket.symbol]
