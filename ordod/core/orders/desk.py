"""The order path, top to bottom.

    syntax → key → validate → kill → risk → INTENT on disk → rate slot → deadline → gate → send once → OUTCOME on disk → answer

Three steps must not move. The key is looked at before anything that can refuse, so that whoever asks again after an order
always learns of it. The intent is on disk before the first byte leaves (P1). The outcome is on disk before anybody hears of
it (P9). Between the look at the key and its reservation nothing awaits, so two calls with one key cannot both pass.

A send runs in a task of its own: a caller who stops waiting changes nothing, and whoever comes with the same key meanwhile
waits for the same answer.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from msgspec import Struct
from msgspec.structs import asdict, replace

from ordod.adapter import Instrument, NewOrder, OrderTerms, Placed, supports
from ordod.core.account import Account, Held
from ordod.core.guard.gate import Gate
from ordod.core.guard.risk import DAY_S, Facts, OrderRate, check
from ordod.core.guard.windows import order_group
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.keys import differing, fingerprint, key_mark, make_tag
from ordod.core.orders.latency import Latencies
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.records import Intent
from ordod.core.orders.sending import Outcome, Sender, error_of, record_of
from ordod.core.orders.states import ChangeState, OrderState
from ordod.core.orders.validate import check_terms
from ordod.core.ports import Clock, Random
from ordod.core.tasks import Tasks
from ordod.core.waiting import Once
from ordod.domain.calendar import Calendar
from ordod.domain.instruments import Exchange
from ordod.domain.orders import Order, OrderType
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError

__all__ = ["Call", "Desk", "NewId", "PlaceResult", "WantedOrder"]

GRACE_S = 0.5  # past the caller's deadline, for an answer that is being written down
LOOK_ALIKE_S_MAX = 3600.0

log = structlog.get_logger()


class NewId:
    """Ids of orders (`o`) and changes (`c`): sortable by time, never repeated: each start has random digits of its own."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._start = random.token(4).hex()
        self._count = 0

    def __call__(self, prefix: str) -> str:
        self._count += 1
        millis = int(self._clock.now().timestamp() * 1000)
        return f"{prefix}{millis:011x}{self._start}{self._count:04x}"


class WantedOrder(Struct, frozen=True, kw_only=True):
    """What a caller asked for; `terms.symbol` as written."""

    account: str
    key: str
    terms: OrderTerms
    caller: str
    strategy: str | None = None
    timeout_s: float = 10.0


class PlaceResult(Struct, frozen=True):
    """The order as it stands, whether this key had been here before, and the risk limits that lacked a price."""

    order: Order
    replayed: bool
    unchecked: tuple[str, ...] = ()


class Call:
    """A first call with its key, under way. Whoever comes with the same key waits for `done`.

    `passed`: what risk let pass, with its symbol resolved, until the book shows it: it counts for the calls beside it.
    """

    __slots__ = (
        "called_at",
        "done",
        "error",
        "fingerprint",
        "order_id",
        "passed",
        "passed_at",
        "symbols",
        "tag",
    )

    def __init__(self, print_: str, symbol: str) -> None:
        self.fingerprint = print_
        self.symbols = {symbol}
        self.order_id = ""
        self.tag = ""
        self.passed: WantedOrder | None = None
        self.called_at = 0.0
        self.passed_at = 0.0
        self.error: OrdoError | None = None
        self.done = Once()


class Desk:
    """Places orders. Owns the keys that are under way (`under_way`: (user, key) -> call).

    Args:
        limits: of everything and of each strategy; an account's own stand in its rules.
        fresh_price: the last price of a symbol, if it is fresh.
        calendar: when the exchanges trade, for [risk] market_hours.
        looked_for: called with account and order when an order wants to be found in the account's book, from now on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        new_id: NewId,
        ledger: Ledger,
        gate: Gate,
        sender: Sender,
        accounts: Mapping[str, Account],
        tasks: Tasks,
        limits: RiskLimits,
        strategy_limits: Mapping[str, RiskLimits],
        fresh_price: Callable[[str], Decimal | None],
        calendar: Calendar,
        looked_for: Callable[[str, str], None],
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._ledger = ledger
        self._book = ledger.book
        self._gate = gate
        self._sender = sender
        self._accounts = accounts
        self._tasks = tasks
        self.limit_by(limits, strategy_limits)
        self._fresh_price = fresh_price
        self._calendar = calendar
        self._looked_for = looked_for
        self.under_way: dict[tuple[str, str], Call] = {}
        self._rates: dict[str, OrderRate] = {}
        self.latencies = Latencies()
        self.is_draining = False
        self._remember_sends()

    async def drain(self) -> None:
        """Take no new order, and wait for the answers of those under way."""
        self.is_draining = True
        for call in list(self.under_way.values()):
            await call.done.wait()

    async def quiet(self, user: str, within_s: float) -> bool:
        """Wait until no call of this user is under way; whether that was so in time. None comes while its account goes."""
        deadline = self._clock.boot() + within_s
        while calls := [call for (whose, _), call in self.under_way.items() if whose == user]:
            if not await calls[0].done.wait(max(0.0, deadline - self._clock.boot())):
                return False
        return True

    def account(self, name: str) -> Account:
        try:
            return self._accounts[name]
        except KeyError:
            known = " ".join(sorted(self._accounts)) or "none"
            raise OrdoError(
                Kind.UNKNOWN_ACCOUNT,
                f"no account {name!r} is configured; there are: {known}",
                field="account",
                value=name,
            ) from None

    def accounts(self, name: str | None) -> list[Account]:
        """The account of this name; None means all."""
        return list(self._accounts.values()) if name is None else [self.account(name)]

    async def place(self, wanted: WantedOrder) -> PlaceResult:
        """Send one order and answer with what is known to be true.

        The intent is on disk before the first byte leaves (P1). A second call with the same key gets the first one's outcome
        (P2). A lost answer is an outcome too: its status is IN_DOUBT until evidence ends it.

        Raises:
            OrdoError: ORDER_REJECTED, INSUFFICIENT_FUNDS, MARKET_CLOSED (`new_key`): no order of this key exists (P3).
                KEY_REUSED (`never`). All others (`same_key`): this call sent nothing and says nothing about the key.
        """
        account = self.account(wanted.account)
        called_at = self._clock.boot()
        deadline = called_at + wanted.timeout_s
        user = await self.user(account, deadline)
        # From here to the reservation nothing awaits.
        known = self._book.by_key(user, wanted.key)
        print_ = fingerprint(wanted.terms, wanted.strategy)
        call = self.under_way.get((user, wanted.key))
        if call is not None:
            if call.fingerprint == print_ and wanted.terms.symbol in call.symbols:
                return await self._answer(call, deadline, replayed=True)
            if known is None:
                raise OrdoError(
                    Kind.KEY_REUSED,
                    f"key {wanted.key} is being used for another order; take a new key for a new order",
                    key=wanted.key,
                    account=wanted.account,
                )
        replayed = self._known(user, wanted)
        if replayed is not None:
            return replayed
        call = self.under_way[user, wanted.key] = Call(print_, wanted.terms.symbol)
        call.called_at = called_at
        try:
            await self.ready(account, user, deadline)
            adopted = self._adopted(account, user, wanted, call)
            if adopted is not None:
                result = self._replay_adopted(adopted, wanted, call)
                call.order_id = adopted.id
                self._end(user, wanted.key, call)
                return result
            instrument, unchecked = self.check(wanted)
            self._check_way(account, deadline)
        except BaseException as error:
            if isinstance(error, OrdoError):
                call.error = error
                self._ledger.trail.refused(
                    account.name, wanted.key, wanted.strategy, error, self._clock.boot()
                )
            self._end(user, wanted.key, call)
            raise
        call.symbols.add(instrument.symbol)
        # With no await since the check, so that calls side by side do not all pass the same limit.
        call.passed = replace(wanted, terms=replace(wanted.terms, symbol=instrument.symbol))
        call.passed_at = self._clock.boot()
        self._count(account.name, wanted.strategy, call.passed_at)
        self._tasks.start_soon(self._carry, call, account, user, wanted, instrument, deadline)
        result = await self._answer(call, deadline, replayed=False)
        return replace(result, unchecked=unchecked)

    def known(self, wanted: WantedOrder) -> PlaceResult | None:
        """What the order's key made before; None: it made nothing. Raises OrdoError: KEY_REUSED, UNKNOWN_ACCOUNT."""
        user = self.account(wanted.account).user
        return self._known(user, wanted) if user is not None else None

    def check(self, wanted: WantedOrder) -> tuple[Instrument, tuple[str, ...]]:
        """Validate → kill → risk, storing nothing. The instrument, and the limits that lacked a price."""
        account = self.account(wanted.account)
        account.check_stays()
        instrument = self.instrument(account, wanted.terms.symbol)
        if not supports(account.adapter, "place") or account.spec.tag is None:
            raise OrdoError(
                Kind.UNSUPPORTED,
                f"{account.spec.name} cannot place orders through Ordo yet",
                account=account.name,
            )
        terms = replace(wanted.terms, symbol=instrument.symbol)
        check_terms(terms, instrument)
        if self.is_draining:
            raise OrdoError(Kind.OVERLOADED, "the daemon is stopping; send the same key again soon")
        if self._gate.is_closed_for(account.name, wanted.strategy):
            raise OrdoError(
                Kind.KILLED,
                "the kill switch is engaged; nothing was sent. See kill.status; an admin may release it",
                account=account.name,
                key=wanted.key,
            )
        return instrument, self._risk(account, terms, wanted.strategy)

    @staticmethod
    def instrument(account: Account, symbol: str) -> Instrument:
        """Raises OrdoError: SESSION_REQUIRED (no master yet), UNKNOWN_INSTRUMENT with the closest names."""
        if account.master.loaded_on is None:
            raise OrdoError(
                Kind.SESSION_REQUIRED,
                f"the instruments of {account.spec.name} are not loaded yet; ask again in a moment",
                account=account.name,
            )
        instrument = account.master.find(symbol)
        if instrument is None:
            several = account.master.candidates(symbol)
            if len(several) > 1:
                raise _ambiguous(account, symbol, several)
            closest = account.master.closest(symbol)
            hint = f"; near: {', '.join(closest)}" if closest else ""
            raise OrdoError(
                Kind.UNKNOWN_INSTRUMENT,
                f"{account.spec.name} has no instrument {symbol!r}{hint}",
                field="symbol",
                value=symbol,
                closest=closest,
            )
        return instrument

    def names(self, symbols: Collection[str]) -> frozenset[str]:
        """Ordo's names of these symbols, also where one is in a broker's own words: what a filter lets pass."""
        found = (each.master.find(symbol) for symbol in symbols for each in self._accounts.values())
        return frozenset(symbols) | {instrument.symbol for instrument in found if instrument}

    async def user(self, account: Account, deadline: float) -> str:
        """Whose keys these are; before the first login ever, that has to be waited for."""
        if account.user is None:
            await account.keeper.ensure(deadline)
        assert account.user is not None
        return account.user

    async def ready(self, account: Account, user: str, deadline: float) -> None:
        session = await account.keeper.ensure(deadline)
        if session.user_id != user:
            raise OrdoError(
                Kind.SESSION_REQUIRED,
                f"{account.name} is now logged in as {session.user_id}; send the same key again",
                account=account.name,
            )
        if not account.is_read:
            raise OrdoError(
                Kind.SESSION_REQUIRED,
                f"the order book of {account.name} was not read yet since the start; ask again in a moment",
                account=account.name,
            )

    @staticmethod
    def _check_way(account: Account, deadline: float) -> None:
        """Refuse now what the broker's limits or its absence would refuse after an intent: a bot may ask again for hours.

        Raises:
            OrdoError: RATE_LIMITED, BROKER_UNAVAILABLE.
        """
        try:
            account.check_reach()
            account.check_slot(order_group("place"), deadline)
        except Held as held:
            raise held.as_error(account.name) from held

    # A key that was here before

    def _known(self, user: str, wanted: WantedOrder) -> PlaceResult | None:
        known = self._book.by_key(user, wanted.key)
        if known is not None or self._book.key_is_spent(user, wanted.key):
            return self._replay(known, wanted)
        return None

    def _replay(self, known: OrderState | ChangeState | None, wanted: WantedOrder) -> PlaceResult:
        if isinstance(known, OrderState):
            differs = differing(known, wanted.terms, wanted.strategy)
            if not differs:
                return PlaceResult(self._book.view(known), replayed=True)
            raise OrdoError(
                Kind.KEY_REUSED,
                f"key {wanted.key} belongs to another order (differs in {', '.join(differs)}); "
                "take a new key for a new order",
                key=wanted.key,
                account=wanted.account,
                differs=differs,
                order=self._book.view(known),
            )
        what = f"a {known.operation}" if known is not None else "an order of more than 30 days ago"
        raise OrdoError(
            Kind.KEY_REUSED,
            f"key {wanted.key} belongs to {what}; take a new key for a new order",
            key=wanted.key,
            account=wanted.account,
        )

    def _adopted(
        self, account: Account, user: str, wanted: WantedOrder, call: Call
    ) -> OrderState | None:
        """An order in the broker's book that carries this key's tag while the journal lacks it."""
        tag = account.spec.tag
        if tag is None:
            return None
        installation = self._ledger.journal.installation
        call.tag = make_tag(installation, user, wanted.key, call.fingerprint, tag)
        return self._book.adopted(user, key_mark(installation, user, wanted.key, tag))

    def _replay_adopted(self, order: OrderState, wanted: WantedOrder, call: Call) -> PlaceResult:
        if order.tag != call.tag:
            raise OrdoError(
                Kind.KEY_REUSED,
                f"the broker's book holds an order with the tag of key {wanted.key}, on other terms; take a new key",
                key=wanted.key,
                account=wanted.account,
                order=self._book.view(order),
            )
        return PlaceResult(replace(self._book.view(order), key=wanted.key), replayed=True)

    # The path

    async def _carry(
        self,
        call: Call,
        account: Account,
        user: str,
        wanted: WantedOrder,
        instrument: Instrument,
        deadline: float,
    ) -> None:
        """From the intent to the outcome, whoever still waits."""
        try:
            intent = self._intent(account, user, wanted, instrument, call)
            await self._ledger.store(intent)
            call.passed = None  # the book has it
            order = new_order(account, wanted.terms, instrument, intent.tag)
            stored = self._clock.boot()
            outcome: Outcome[Placed] = await self._sender.send_once(
                account,
                lambda session: account.adapter.place(session, order, instrument),
                user=user,
                strategy=wanted.strategy,
                deadline=deadline,
                ids=_ids(intent),
            )
            answered = self._clock.boot()
            if outcome.what == "unsent":
                self._uncount(account.name, wanted.strategy, call.passed_at)
            await self._conclude(call, intent, outcome)
            self.latencies.way(account.name).add(
                called=call.called_at,
                checked=call.passed_at,
                stored=stored,
                handed=outcome.handed_at,
                answered=answered,
                ended=self._clock.boot(),
            )
        except OrdoError as error:
            call.error = error
            self._uncount(account.name, wanted.strategy, call.passed_at)
        finally:
            self._end(user, wanted.key, call)

    def _intent(
        self, account: Account, user: str, wanted: WantedOrder, instrument: Instrument, call: Call
    ) -> Intent:
        spec_tag = account.spec.tag
        assert spec_tag is not None
        salt, tag = 0, call.tag
        while self._book.tag_is_taken(user, tag):
            salt += 1
            tag = make_tag(
                self._ledger.journal.installation,
                user,
                wanted.key,
                f"{call.fingerprint} {salt}",
                spec_tag,
            )
        call.order_id = self._new_id("o")
        return Intent(
            id=call.order_id,
            operation="place",
            account=account.name,
            user=user,
            key=wanted.key,
            fingerprint=call.fingerprint,
            caller=wanted.caller,
            tag=tag,
            strategy=wanted.strategy,
            symbol_written=wanted.terms.symbol,
            order=replace(wanted.terms, symbol=instrument.symbol),
        )

    async def _conclude(self, call: Call, intent: Intent, outcome: Outcome[Placed]) -> None:
        """The outcome on disk, then known to those who wait. What cannot be stored is answered as IN_DOUBT."""
        broker_id = outcome.value.broker_order_id if outcome.value else ""
        record = record_of(intent.id, outcome, broker_id)
        error = error_of(outcome, account=intent.account, key=intent.key)
        try:
            await self._ledger.record(record)
        except JournalFailed:
            log.warning("outcome_not_stored", **_ids(intent), outcome=outcome.what)
            call.error = error if outcome.what == "unsent" else None
            return
        order = self._book.orders[intent.id]
        call.error = None if order.sent == "placed" else error  # a row seen meanwhile wins
        if outcome.what in ("accepted", "doubt"):
            self._looked_for(intent.account, intent.id)

    def _end(self, user: str, key: str, call: Call) -> None:
        del self.under_way[user, key]
        call.done.set()

    async def _answer(self, call: Call, deadline: float, *, replayed: bool) -> PlaceResult:
        """What the call came to, or, past the deadline, the order as it stands: perhaps sent, not yet answered."""
        await call.done.wait(max(0.0, deadline - self._clock.boot()) + GRACE_S)
        if call.error is not None:
            raise OrdoError(call.error.kind, call.error.message, **call.error.data)
        order = self._book.by_id(call.order_id) if call.order_id else None
        if order is None:
            raise OrdoError(
                Kind.TOO_LATE,
                "the deadline passed before the order was written down; send the same key again",
            )
        return PlaceResult(self._book.view(order), replayed=replayed)

    # Risk

    def check_modified(self, account: Account, terms: OrderTerms, strategy: str | None) -> None:
        """An order as it would be after a change, against the limits on its size and price. Raises OrdoError: RISK_REFUSED."""
        price = self._fresh_price(terms.symbol)
        facts = Facts(now=self._clock.now(), last_price=price)
        check(
            terms, [(scope, limits, facts) for scope, limits in self.limits_of(account, strategy)]
        )

    def _remember_sends(self) -> None:
        """The orders of the last day count after a restart too."""
        now, boot = self._clock.now(), self._clock.boot()
        for order in self._book.orders.values():
            age_s = (now - order.placed_at).total_seconds()
            if order.key is not None and order.sent != "unsent" and age_s < DAY_S:
                self._count(order.account, order.strategy, boot - age_s)

    def _count(self, account: str, strategy: str | None, sent_at: float) -> None:
        for scope in self._scopes(account, strategy):
            self._rates.setdefault(scope, OrderRate()).add(sent_at)

    def _uncount(self, account: str, strategy: str | None, sent_at: float) -> None:
        """It was not sent after all: a bot that asks again through an outage does not use its day up."""
        for scope in self._scopes(account, strategy):
            self._rates[scope].forget(sent_at)

    def check_released(self, account: Account, terms: OrderTerms) -> None:
        """The order a GTT will release, against the limits on what and how much. Raises OrdoError: RISK_REFUSED.

        How far its price is from today's, and whether the exchange is open now, says nothing about the day it is released.
        """
        facts = Facts(now=self._clock.now())
        check(
            terms,
            [
                (scope, replace(limits, price_band_percent=None, market_hours=False), facts)
                for scope, limits in self.limits_of(account, None)
            ],
        )

    @staticmethod
    def _scopes(account: str, strategy: str | None) -> list[str]:
        scopes = ["all", f"account {account}"]
        return [*scopes, f"strategy {strategy}"] if strategy else scopes

    def limit_by(self, limits: RiskLimits, strategy_limits: Mapping[str, RiskLimits]) -> None:
        """From now on these hold, of everything and of each strategy; what was sent before goes on counting."""
        self._limits = limits
        self.strategy_limits = strategy_limits

    def limits_of(self, account: Account, strategy: str | None) -> list[tuple[str, RiskLimits]]:
        """The scopes an order of this account and strategy falls under, with their limits."""
        limits = [self._limits, account.rules.risk]
        if strategy:
            limits.append(self.strategy_limits.get(strategy, RiskLimits()))
        return list(zip(self._scopes(account.name, strategy), limits, strict=True))

    def _risk(self, account: Account, terms: OrderTerms, strategy: str | None) -> tuple[str, ...]:
        now, boot = self._clock.now(), self._clock.boot()
        price = self._fresh_price(terms.symbol)
        exchange = Exchange(terms.symbol.partition(":")[0])
        scopes = []
        for scope, limits in self.limits_of(account, strategy):
            if limits == RiskLimits():
                continue
            facts = Facts(
                now=now,
                rate=self._rates[scope].counts(boot) if scope in self._rates else (0, 0, 0),
                open_orders=self._open_orders(scope, account.name, strategy),
                last_price=price,
                is_open=not limits.market_hours or self._calendar.is_open(exchange, now),
                look_alike=self._look_alike(account.name, terms, limits.look_alike_s, now),
            )
            scopes.append((scope, limits, facts))
        return check(terms, scopes) if scopes else ()

    def _open_orders(self, scope: str, account: str, strategy: str | None) -> int:
        """Those the book shows, and those that passed and are being written down."""
        passed = [call.passed for call in self.under_way.values() if call.passed]
        if scope == "all":
            return len(self._book.open_orders()) + len(passed)
        if scope.startswith("account "):
            beside = sum(each.account == account for each in passed)
            return len(self._book.open_orders(account)) + beside
        beside = sum(each.strategy == strategy for each in passed)
        return sum(order.strategy == strategy for order in self._book.open_orders()) + beside

    def _look_alike(
        self, account: str, terms: OrderTerms, within_s: float | None, now: datetime
    ) -> tuple[str, float] | None:
        """The youngest order of this account on the same terms, and its age in seconds."""
        if not within_s:
            return None
        for call in self.under_way.values():
            if call.passed and (call.passed.account, call.passed.terms) == (account, terms):
                return call.passed.key, 0.0
        since = now - timedelta(seconds=min(within_s, LOOK_ALIKE_S_MAX))
        for order in reversed(self._book.orders.values()):
            if order.key is None:
                continue  # placed elsewhere, at any time
            if order.placed_at < since:
                break
            is_alike = order.account == account and order.terms == terms
            if is_alike and order.sent not in ("unsent", "rejected"):
                return order.id, (now - order.placed_at).total_seconds()
        return None


def _ids(intent: Intent) -> dict[str, str]:
    """What finds the order elsewhere, for the log."""
    return {
        "account": intent.account,
        "key": intent.key,
        "order_id": intent.id,
        "tag": intent.tag or "",
    }


def new_order(
    account: Account, terms: OrderTerms, instrument: Instrument, tag: str | None
) -> NewOrder:
    """What the adapter sends: the terms, our tag, and the account's market protection where the caller gave none."""
    fields = asdict(terms) | {"symbol": instrument.symbol, "tag": tag}
    if terms.market_protection is None and terms.type in (OrderType.MARKET, OrderType.SL_M):
        fields["market_protection"] = account.rules.market_protection
    return NewOrder(**fields)


def _ambiguous(account: Account, symbol: str, several: Sequence[Instrument]) -> OrdoError:
    names = ", ".join(
        f"{one.symbol} ({one.broker_symbol}, {one.instrument_token})" for one in several
    )
    return OrdoError(
        Kind.UNKNOWN_INSTRUMENT,
        f"{account.spec.name} lists {len(several)} contracts that {symbol!r} may stand for: {names}; neither is taken",
        field="symbol",
        value=symbol,
        closest=list(dict.fromkeys(one.symbol for one in several)),
    )
