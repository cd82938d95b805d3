"""The money side of the exchange: ties up what orders need, gives what trades bring, refuses what nobody can pay."""

from collections.abc import Callable
from copy import copy

from ordod.adapter import Fault
from ordod.domain.orders import NewOrder, OrderTerms, Product, Side
from ordod.domain.portfolio import Conversion, Margin
from ordod.paper.accounts import Account, Bucket
from ordod.paper.market import Listing
from ordod.paper.orders import PaperOrder, rupees_of
from ordod.paper.rules import PRODUCTS, Refusal

__all__ = ["Clearing"]


class Clearing:
    """All accounts. `cash` is what a user has who was never seen before, paise."""

    def __init__(self, cash: int) -> None:
        self.accounts: dict[str, Account] = {}
        self._cash = cash

    def account(self, user: str) -> Account:
        """The user's account; of one who never did anything a new one, which is not kept."""
        found = self.accounts.get(user)
        return found if found is not None else Account(cash=self._cash, opening=self._cash)

    def open(self, user: str, cash: int) -> bool:
        """A new user's account; False: he has one."""
        if user in self.accounts:
            return False
        self.accounts[user] = Account(cash=cash, opening=cash)
        return True

    # Orders

    def tie_up(self, user: str, listing: Listing, terms: NewOrder, blocked: int) -> None:
        """Tie up what an order needs, `blocked` paise a unit. Raises Refusal and changes nothing: INSUFFICIENT_FUNDS."""
        account = self.account(user)
        buy = terms.side is Side.BUY
        bucket = account.bucket(listing, terms.product)
        if not buy and bucket.is_delivery and (can := account.sellable(bucket)) < terms.quantity:
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS,
                f"{terms.quantity} units to sell for delivery, but {max(0, can)} are there; MIS sells short",
            )
        bucket.ask(buy, terms.quantity, blocked)
        _check_funds(account, bucket, lambda: bucket.ask(buy, -terms.quantity, blocked))
        account.put(bucket)
        self.accounts[user] = account

    def retie(self, order: PaperOrder, listing: Listing, remaining: int, blocked: int) -> None:
        """Tie up what a changed order needs in place of what it did. Raises Refusal: INSUFFICIENT_FUNDS."""
        account, bucket = self._of(order, listing)
        more = remaining - order.remaining
        if not order.buy and bucket.is_delivery and account.sellable(bucket) < more:
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS, "there are not so many units to sell for delivery"
            )

        def undo() -> None:
            bucket.ask(order.buy, -remaining, blocked)
            bucket.ask(order.buy, order.remaining, order.blocked)

        bucket.ask(order.buy, -order.remaining, order.blocked)
        bucket.ask(order.buy, remaining, blocked)
        _check_funds(account, bucket, undo)
        account.settle(bucket)

    def give(self, order: PaperOrder, listing: Listing, quantity: int, price: int) -> None:
        """Count an execution on the order's side of it. `price` in paise."""
        account, bucket = self._of(order, listing)
        bucket.ask(order.buy, -quantity, order.blocked)
        account.cash += bucket.fill(order.buy, quantity, price)
        account.settle(bucket)

    def release(self, order: PaperOrder, listing: Listing) -> None:
        """Free what the unfilled rest of an order ties up."""
        account, bucket = self._of(order, listing)
        bucket.ask(order.buy, -order.remaining, order.blocked)
        account.settle(bucket)

    def margin(self, user: str, orders: list[tuple[OrderTerms, Listing, int]]) -> Margin:
        """What orders, each with what a unit of it ties up in paise, would tie up together."""
        account = self.account(user)
        buckets: dict[str, Bucket] = {}
        for terms, listing, blocked in orders:
            assert terms.product is not None  # only an order placed elsewhere may lack one
            key = terms.symbol + " " + terms.product
            if key not in buckets:
                buckets[key] = copy(account.bucket(listing, terms.product))
            buckets[key].ask(terms.side is Side.BUY, terms.quantity, blocked)
        needed = sum(bucket.needs() - bucket.tied for bucket in buckets.values())
        return Margin(
            needed=rupees_of(max(0, needed)),
            available=rupees_of(account.available),
            charges=rupees_of(0),
        )

    # Positions

    def convert(self, user: str, listing: Listing, conversion: Conversion) -> None:
        """Move a position to another product at its average cost. Raises Refusal: INVALID_INPUT, INSUFFICIENT_FUNDS."""
        account = self.account(user)
        products = {conversion.from_product, conversion.to_product}
        allowed = PRODUCTS.get(listing.instrument.kind, frozenset())
        if not products <= allowed:
            raise Refusal(
                Fault.INVALID_INPUT, f"{conversion.symbol} knows {' '.join(sorted(allowed))}"
            )
        if len(products) == 1:
            raise Refusal(Fault.INVALID_INPUT, "the position has this product already")
        source = copy(account.bucket(listing, conversion.from_product))
        target = copy(account.bucket(listing, conversion.to_product))
        is_long = conversion.side is Side.BUY
        there = max(0, source.net if is_long else -source.net)
        if not 0 < conversion.quantity <= there:
            raise Refusal(
                Fault.INVALID_INPUT,
                f"{conversion.quantity} units to convert, but {there} are there",
            )
        if not is_long and Product.CNC in products:
            raise Refusal(Fault.INVALID_INPUT, "a sale cannot be converted to or from delivery")
        if source.is_delivery and account.sellable(source) < conversion.quantity:
            raise Refusal(Fault.INVALID_INPUT, "open orders sell what would be converted")
        change = source.hand_over(target, conversion.quantity)
        more = source.needs() + target.needs() - source.tied - target.tied - change
        _check_enough(account, more)
        account.cash += change
        account.put(source)
        account.put(target)

    def _of(self, order: PaperOrder, listing: Listing) -> tuple[Account, Bucket]:
        account = self.accounts[order.user]
        return account, account.bucket(listing, order.terms.product)


def _check_funds(account: Account, bucket: Bucket, undo: Callable[[], None]) -> None:
    try:
        _check_enough(account, bucket.needs() - bucket.tied)
    except Refusal:
        undo()
        raise


def _check_enough(account: Account, more: int) -> None:
    """What makes a position smaller needs nothing and passes, also where the account is empty."""
    if more > 0 and more > account.available:
        raise Refusal(
            Fault.INSUFFICIENT_FUNDS,
            f"{rupees_of(more)} rupees are needed and {rupees_of(account.available)} available",
        )
