"""One seed's world: a daemon and all that may happen to it, from its first start to the last look at what became of it.

First a phase of faults, through as many lives of the daemon as it takes; then a calm one, in which everything must come to
rest; then the books are compared. What is checked on the way stands in `checks.py`.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import structlog
from msgspec.structs import replace

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import Credentials, HttpRequest, HttpResponse, Secret, Window
from ordod.app import running
from ordod.config import AccountSettings, DaemonSettings, Settings
from ordod.core.orders.segments import Damage
from ordod.core.parts import Parts
from ordod.core.ports import DiskError, Ports
from ordod.domain.orders import Order, OrderType, Product, Side
from ordod.paper.adapter import PAPER, Paper
from ordod.service.methods import Method
from ordod.service.table import table
from ordod.sim.zerodha import App, Client
from tests.simulation import checks
from tests.simulation.clients import (
    Answer,
    Bot,
    Listener,
    Person,
    Plan,
    Told,
    engage,
    mark_of,
)
from tests.simulation.disk import TearingDisk
from tests.simulation.far import SYMBOLS, Far, PaperFar, Shown, ZerodhaFar, fields
from tests.simulation.loop import Dead, Deadlock, VirtualLoop, bury, repeatable
from tests.simulation.near import (
    Fates,
    Handed,
    HostileBrokers,
    MemoryTables,
    NoSignals,
    WorldClock,
    draw,
)
from tests.simulation.ports import IST, SeededRandom

__all__ = ["ACCOUNT", "Broken", "Life", "Profile", "World", "quiet", "run"]

ACCOUNT = "paper"
SMALL_WINDOWS = (Window("orders", count=4, seconds=1), Window("orders", count=20, seconds=20))
HORIZON_S = 60.0
HELD_S = (
    30.0  # the latest arrival after a hand-over; with the book's lag it stays below the horizon
)
LAG_S = 12.0
STALE_S = 8.0
RICH = Decimal(10**9)


class _LimitedPaper(Paper):
    """The paper broker with rate windows small enough to bite."""

    spec = replace(PAPER.spec, windows=SMALL_WINDOWS)


class Broken(Exception):  # noqa: N818 - a finding
    """An invariant does not hold. `invariant`: its number in RELIABILITY 3."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


@dataclass(kw_only=True)
class Profile:
    """What happens in a world; drawn from its seed. Rates are probabilities of a request, counts are of the whole world."""

    broker: str = "paper"
    keys: int = 4
    bots: int = 2
    listeners: int = 1
    faults_for_s: float = 60.0
    fates: Fates = field(default_factory=Fates)
    shown: Shown = field(default_factory=Shown)
    cancels: bool = False
    modifies: bool = False
    gtts: bool = False
    kills: int = 0
    kill_by: str = "call"
    crashes: int = 0
    power: bool = False
    suspends: int = 0
    steps: int = 0
    cuts: int = 0
    night: bool = False
    by_hand: int = 0
    slow_disk: bool = False
    hangs: int = 0
    disk_fails: bool = False
    disk_full: bool = False
    restores: bool = False
    ends_killed: bool = False


def profile_of(chance: random.Random) -> Profile:
    """Each fault is there or not (a world with all of them at once hides some), and as strong as the seed says."""

    def some(share: float = 0.4) -> bool:
        return chance.random() < share

    def rate(most: float, share: float = 0.4) -> float:
        return chance.random() * most if some(share) else 0.0

    fates = Fates(
        lost_request=rate(0.15),
        lost_answer=rate(0.25),
        late_answer=rate(0.1),
        slow=rate(0.15),
        held=rate(0.2),
        garbage=rate(0.15),
        refused=rate(0.1),
        busy=rate(0.05, 0.2),
        dead_session=rate(0.02, 0.2),
        reads=chance.choice((0.0, 0.3, 1.0)),
        held_s=HELD_S,
        split=rate(0.5, 0.3),
    )
    restores = some(0.06)
    night = some(0.1) and not restores
    if night:
        fates.lost_answer = max(
            fates.lost_answer, 0.2
        )  # doubts that are still open when the book is emptied
    shown = Shown(
        lag_s=LAG_S if night else rate(LAG_S),
        stale_s=rate(STALE_S, 0.25),
        drops_tag=0.0 if restores else rate(0.4, 0.15),
        changes_tag=0.0 if restores else rate(0.3, 0.1),
        breaks_row=rate(0.1, 0.2),
    )
    steps = 1 if some(0.1) else 0
    return Profile(
        broker="zerodha" if some(0.25) else "paper",
        keys=chance.randint(2, 7),
        bots=chance.randint(1, 3),
        listeners=chance.choice((0, 1, 1, 2)),
        faults_for_s=chance.choice((20.0, 40.0, 60.0, 90.0)),
        fates=fates,
        shown=shown,
        cancels=some(0.5),
        modifies=some(0.4),
        gtts=some(0.2),
        kills=chance.randint(1, 2) if some(0.25) else 0,
        kill_by=chance.choice(("call", "call", "call", "gate", "file", "signal")),
        crashes=chance.randint(1, 3) if some(0.55) else 0,
        power=some(0.5),
        suspends=1 if some(0.1) else 0,
        steps=steps,
        cuts=chance.randint(1, 2) if some(0.25) else 0,
        night=night,
        by_hand=chance.randint(1, 3) if some(0.2) else 0,
        slow_disk=some(0.4),
        hangs=1 if some(0.12) else 0,
        disk_fails=some(0.12),
        disk_full=some(0.05),
        restores=restores,
        ends_killed=some(0.25) and not (night and steps),
    )


class Agenda:
    """What will happen outside of the daemon, whether it lives or not."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._items: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._timer: Any = None

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._items, (when, self._count, what))
        self.arm()

    def arm(self) -> None:
        """Wake up in time for the next item."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = self._world.loop
        if loop is not None and self._items:
            left = self._items[0][0] - self._world.time
            self._timer = loop.call_at(loop.now + max(0.0, left), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.run_due()
        self.arm()

    def run_due(self) -> None:
        while self._items and self._items[0][0] <= self._world.time + 1e-9:
            heapq.heappop(self._items)[2]()

    def pass_until(self, when: float) -> None:
        """Nobody lives: only this moves time."""
        world = self._world
        while self._items and self._items[0][0] <= when:
            world.still = max(world.still, self._items[0][0] - world.suspended_s)
            heapq.heappop(self._items)[2]()
        world.still = when - world.suspended_s


class Life:
    """One process of the daemon, from its start to its end."""

    def __init__(self, world: "World", number: int, disk: TearingDisk) -> None:
        self.world = world
        self.number = number
        self.disk = disk
        self.brokers = HostileBrokers(self)
        self.signals = NoSignals()
        self.parts: Parts
        self.methods: dict[str, Method] = {}
        self.wire: Any = None
        self.is_over = False
        self.is_up = False


class World:
    """All of it.

    Args:
        deaths: the step at which the first life dies, the second, and so on; the others live.
        fails_at: the number of the disk operation that fails in the first life, once and from then on.
        is_told: keep a `story` of what happened, for people.
    """

    def __init__(
        self,
        seed: int,
        *,
        profile: Profile | None = None,
        deaths: Sequence[int] = (),
        fails_at: int | None = None,
        is_told: bool = False,
    ) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.profile = profile or profile_of(self.chance)
        self.is_told = is_told
        self._prices = 0
        self._triggers: dict[str, Decimal] = {}
        self._deaths = list(deaths)
        self.deaths_met = 0
        self.story: list[str] = []
        self.still = 0.0  # virtual time of the loop that is not there
        self.loop: VirtualLoop | None = None
        self.suspended_s = 0.0
        self.stepped_s = 0.0
        self.booted_at = -100.0
        start = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
        if self.profile.night:
            start = datetime(2026, 11, 24, 5, 59, 30, tzinfo=IST)
        self._start = start
        self.agenda = Agenda(self)
        self.clock = WorldClock(self)
        self.far = self._far()
        adapter = ADAPTERS[self.profile.broker]
        self.windows = [window for window in adapter.spec.windows if window.group == "orders"]
        self.fates = self.profile.fates
        self.far.shown = self.profile.shown
        self.link_down = False
        self.link_up_at = 0.0
        self.is_calm = False
        self.is_over = False  # only looked at any more
        self.tables = MemoryTables()
        self.disk = TearingDisk(seed, latency=self._latency)
        if fails_at is not None:
            self.disk.fail_at(fails_at)
        self.first_disk = self.disk
        self.life: Life | None = None
        self.lives = 0
        self.handed: list[Handed] = []
        self.told: list[Told] = []
        self.flying: dict[int, tuple[str, int]] = {}  # placements under way: user, quantity
        self._flights = 0
        self.kill_stands = False  # acknowledged, and no release was asked for
        self.kill_is_durable = False
        self.kill_since = 0.0
        self.releases = 0
        self.kill_with_next_send = False
        self.checks = checks.Checks(self)
        self.backup: TearingDisk | None = None
        self.was_restored = False
        self._disk_is_sick = False
        self._is_burying = False
        self._crash: str = ""
        self._ends_now: anyio.Event | None = None
        self.plans = self._plans()
        self.bots = [
            Bot(self, f"bot{n}", self.plans[n :: self.profile.bots])
            for n in range(self.profile.bots)
        ]
        self.listeners = [
            Listener(self, is_slow=self.chance.random() < 0.3)
            for _ in range(self.profile.listeners)
        ]
        self.person = Person(self)

    def _far(self) -> Far:
        seed, time, now = self.seed % 7, lambda: self.time, self.wall
        if self.profile.broker == "zerodha":
            return ZerodhaFar(self.chance, seed=seed, time=time, now=now, cash=RICH)
        far = PaperFar(self.chance, seed=seed, time=time, now=now)
        far.open_account(ACCOUNT, RICH)
        return far

    # Time

    @property
    def time(self) -> float:
        """Virtual seconds that never stand still, a suspended machine or not."""
        return (self.loop.now if self.loop is not None else self.still) + self.suspended_s

    def wall(self) -> datetime:
        """What clocks that nobody steps show."""
        return self._start + timedelta(seconds=self.time)

    @property
    def awake(self) -> float:
        """Seconds in which the machine was not suspended."""
        return self.time - self.suspended_s

    def _latency(self) -> float:
        if self.profile.slow_disk and not self.is_calm and self.chance.random() < 0.05:
            return self.chance.random() * 3.0
        return 0.001 + self.chance.random() * 0.004

    # Telling

    def tell(self, who: str, what: str) -> None:
        if self.is_told:
            self.story.append(f"{self.time:9.3f}  {who:8} {what}")

    def broken(self, invariant: str, message: str, cause: BaseException | None = None) -> None:
        """A finding: ends the world."""
        if self._is_burying:
            return  # what the dead do is of no interest
        self.tell("BROKEN", f"{invariant}: {message}")
        self.checks.found.append(Broken(invariant, message))
        if cause is not None:
            self.checks.found[-1].__cause__ = cause
        if self.loop is not None:
            self.loop.die()

    # What clients hear

    def hear(
        self, life: Life, method: str, key: str | None, account: str, of: int, answer: Answer
    ) -> None:
        if life.is_over or (answer.result is None and answer.error is None):
            return
        error = answer.error
        told = Told(
            at=self.time,
            life=life.number,
            epoch=life.parts.journal.epoch,
            method=method,
            key=key,
            account=account,
            of=of,
            order=answer.result.order if answer.result is not None else None,
            kind=error.kind.name if error else "",
            retry=str(error.kind.retry or "") if error else "",
            change=getattr(answer.result, "change", "") if answer.result is not None else "",
        )
        self.tell("told", f"{method} {key} ({of}): {_shown(told)}")
        self.told.append(told)
        self.checks.answered(told, life)

    def hear_orders(self, life: Life, method: str, orders: list[Order]) -> None:
        for order in orders if not life.is_over else ():
            self.checks.heard(life, order, method)

    def hear_event(self, life: Life, epoch: str, order: dict[str, Any]) -> None:
        if not life.is_over:
            self.checks.heard_event(epoch, order)

    def hear_modified(self, life: Life, plan: Plan, price: Decimal, answer: Answer) -> None:
        if not life.is_over and (answer.result is not None or answer.error is not None):
            self.tell("told", f"modify {plan.key} to {price}: {_said(answer)}")
            self.checks.modified(plan, price, answer)
            if answer.result is not None:
                self.checks.heard(life, answer.result.order, "modify")

    def hear_gtt(self, life: Life, quantity: int, answer: Answer) -> None:
        if not life.is_over and (answer.result is not None or answer.error is not None):
            self.tell("told", f"gtt {quantity}: {_said(answer)}")
            self.checks.placed_gtt(quantity, answer)

    def another_price(self) -> Decimal:
        """A step away from a price, that no call asked for before."""
        self._prices += 1
        return self._prices * Decimal("0.1")

    def gtt_trigger(self, symbol: str) -> Decimal:
        """Far below the price; always the same, since a key asks for the same thing each time."""
        if symbol not in self._triggers:
            self._triggers[symbol] = self.far.price(symbol, Decimal("0.85"))
        return self._triggers[symbol]

    # The network

    def fly(self, user: str, request: HttpRequest, flying: Any) -> None:
        draw(self, user, request, flying)

    def departs(self, user: str, request: HttpRequest) -> int:
        """A placement is under way; until `arrived` nobody can say that it will not be there."""
        self._flights += 1
        if request.method == "POST" and "tag" in fields(request):
            self.flying[self._flights] = (user, int(fields(request)["quantity"]))
        return self._flights

    def arrives(
        self,
        user: str,
        request: HttpRequest,
        flight: int,
        latest: float,
        answer: Callable[[HttpResponse], None],
    ) -> None:
        """Bytes reach the broker, unless the link is down: then the kernel may send them again when it is back."""
        if self.link_down:
            again = self.link_up_at + 0.2
            if request.writes and again <= latest:
                self.agenda.at(again, lambda: self.arrives(user, request, flight, latest, answer))
            else:
                self.flying.pop(flight, None)
            return
        self.flying.pop(flight, None)
        response = self.far.carry_out(user, request)
        if request.writes and response.status == 200:
            self.checks.carried_out(request)
        if request.writes:
            what = fields(request).get("quantity", "")
            self.tell(
                "broker",
                f"{request.method} {request.path} {what}: {response.status} {response.body[:80]!r}",
            )
        answer(response)

    def answers(self, flying: Any, response: HttpResponse) -> None:
        if not self.link_down:
            flying.answered(response)

    def network_holds(self, user: str, mark: int) -> bool:
        """Whether a placement of this key may still reach the broker."""
        return any(u == user and mark_of(q) == mark for u, q in self.flying.values())

    def handed_over(self, handed: Handed, *, is_first: bool) -> None:
        if handed.is_write:
            what = handed.fields.get("quantity", "")
            self.tell("sent", f"{handed.method} {handed.path} {what}")
        self.checks.handed_over(handed, is_first=is_first)

    # The kill switch, as the world knows it

    def killed(self, durable: bool) -> None:
        self.tell("kill", f"acknowledged, durable: {durable}")
        self.kill_stands = True
        self.kill_is_durable = self.kill_is_durable or durable
        self.kill_since = self.time

    def released(self) -> None:
        self.kill_stands = self.kill_is_durable = False
        self.releases += 1

    def may_release(self) -> bool:
        """A person lets go when enough time has passed, and at the end when the sweep is through."""
        if self.was_restored and (
            self.flying or self.time - self.checks.restored_at < HORIZON_S + 10
        ):
            return False
        if self.is_calm:
            return not self.profile.ends_killed or self.checks.is_swept
        return self.time - self.kill_since > 8 and self.chance.random() < 0.2

    # Plans

    def _plans(self) -> list[Plan]:
        plans = []
        for number in range(1, self.profile.keys + 1):
            symbol = self.chance.choice(SYMBOLS[: self.chance.randint(1, len(SYMBOLS))])
            side = self.chance.choice((Side.BUY, Side.SELL))
            kind = self.chance.choice(
                (OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET)
            )
            wanted: dict[str, Any] = {
                "account": ACCOUNT,
                "key": f"k{number}",
                "symbol": symbol,
                "side": side,
                "quantity": number * 10,
                "type": kind,
                "product": Product.MIS,
            }
            if kind is OrderType.LIMIT:
                away = self.chance.choice((Decimal("0.04"), Decimal("0.04"), Decimal("-0.02")))
                sign = -1 if side is Side.BUY else 1
                wanted["price"] = self.far.price(symbol, 1 + sign * away)
            if self.chance.random() < 0.3:
                wanted["strategy"] = "s1"
            start_at = self.chance.random() * self.profile.faults_for_s
            if self.profile.night:
                start_at *= 0.4  # most of them before the book is emptied
            plans.append(Plan(number, f"k{number}", ACCOUNT, start_at, wanted))
        return plans

    # The run

    def run(self) -> "World":
        with repeatable(), quiet(self.is_told):
            self._schedule_chaos()
            while self.time < self.profile.faults_for_s and not self.checks.found:
                self._live(is_last=False)
            if not self.checks.found:
                self._calm_down()
                self._live(is_last=True)
            if not self.checks.found:
                self.checks.at_the_end()
        return self

    def digest(self) -> str:
        """Of everything that can be seen: two runs of one seed have the same."""
        seen = hashlib.blake2b(digest_size=12)
        for path, file in sorted(self.disk.files.items()):
            seen.update(path.encode() + bytes(file.content))
        for told in self.told:
            seen.update(repr(told).encode())
        for placed in self.far.placed:
            seen.update(repr(placed).encode())
        return seen.hexdigest()

    def _live(self, *, is_last: bool) -> None:
        """One life of the daemon, and what lies between it and the next."""
        chance, profile = self.chance, self.profile
        self.lives += 1
        dies_at = None
        if not is_last and profile.crashes > 0 and chance.random() < 0.8:
            profile.crashes -= 1
            # Half of them die in the first moments, when little has been written: recovery itself is cut short, too.
            dies_at = chance.randint(1, chance.choice((200, 1500, 6000)))
        if self._deaths and not is_last:
            dies_at = self._deaths.pop(0)
        life = self.life = Life(self, self.lives, self.disk)
        loop = self.loop = VirtualLoop(self.still, dies_at=dies_at)
        self.agenda.arm()
        loop.on_death = lambda: self._ended(life)
        self.tell(
            "life", f"{life.number} begins" + (f", dies at step {dies_at}" if dies_at else "")
        )
        try:
            loop.live(self._run(life, is_last=is_last))
        except Dead:
            self.deaths_met += dies_at == loop.steps
            self.tell("life", f"{life.number} is dead at step {loop.steps}")
        except DiskError as error:
            self.tell("life", f"{life.number} could not start: {error}")
        except Damage as error:
            self.broken("I15", f"the journal is said to be damaged: {error}")
        except Deadlock as error:
            self.broken("bug", f"deadlock: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.broken("bug", f"the daemon ended with {error!r}", error)
        self._ended(life)
        for bug in loop.bugs:
            self.broken("bug", f"in the loop: {bug['message']} {bug.get('exception')!r}")
        self.still = loop.now
        self.loop = None
        self._is_burying = True
        bury(loop)
        self._is_burying = False
        if not is_last:
            self._between()

    def _ended(self, life: Life) -> None:
        """The process is gone; its disk stays as it is, and only what others see of it counts from here on."""
        if life.is_over:
            return
        life.is_over = True
        power = self.profile.power and self.chance.random() < 0.6
        if power and not self.kill_is_durable:
            self.kill_stands = False  # nobody promised that it survives this
        self.checks.before_crash()
        self.disk = life.disk.crash(power=power)
        self.disk.latency = self._latency
        if power:
            self.booted_at = self.time - 5.0
        self.tell("disk", f"crashed, power lost: {power}")

    def _between(self) -> None:
        chance = self.chance
        if self.backup is not None and not self.was_restored and chance.random() < 0.5:
            self.was_restored = True
            self.checks.restored()
            self.disk = self.backup.copy()
            self.disk.latency = self._latency
            self.disk.inode += 1  # in place, over the same inode, nobody could tell
            self.tell("disk", "restored from a backup")
        self.agenda.pass_until(self.time + chance.choice((0.2, 1.0, 5.0, 20.0)) * chance.random())

    async def _run(self, life: Life, *, is_last: bool) -> None:
        ports = Ports(
            clock=self.clock,
            random=SeededRandom(self.chance.getrandbits(32)),
            disk=life.disk,
            brokers=life.brokers,
            signals=life.signals,
            tables=self.tables,
        )
        settings = SETTINGS[self.profile.broker]
        async with running(
            ports, settings, ADAPTERS, credentials_of=lambda _: CREDENTIALS[self.profile.broker]
        ) as parts:
            life.parts = parts
            life.methods = {method.name: method for method in table(parts)}
            life.is_up = True
            self.checks.started(life)
            async with anyio.create_task_group() as group:
                life.wire = group
                self._ends_now = anyio.Event()
                for bot in self.bots:
                    group.start_soon(bot.run, life)
                for listener in self.listeners:
                    group.start_soon(listener.run, life)
                group.start_soon(self.person.run, life)
                if is_last:
                    await self.checks.comes_to_rest(life)
                else:
                    await self._until_the_end(life)
                life.is_up = False
                group.cancel_scope.cancel()

    async def _until_the_end(self, life: Life) -> None:
        """Until this life's chaos says so, or the faults are over."""
        while self.time < self.profile.faults_for_s:
            await anyio.sleep(0.5)
            if self._crash and (self._crash != "failed" or self.chance.random() < 0.1):
                how, self._crash = self._crash, ""
                if how == "sigkill" or self.chance.random() < 0.5:
                    assert self.loop is not None
                    self.loop.die()
                return
            if life.parts.journal.failed:
                self._crash = "failed"
            if self.profile.restores and self.backup is None and self.chance.random() < 0.05:
                self.backup = life.disk.copy()
                self.checks.backed_up(life)
                self.tell("disk", "backed up")

    # Chaos

    def _schedule_chaos(self) -> None:
        profile, chance = self.profile, self.chance
        during = profile.faults_for_s

        def some_time() -> float:
            return chance.random() * during

        for _ in range(profile.cuts):
            begins, length = some_time(), 0.5 + chance.random() * 12
            self.agenda.at(begins, partial(self._cut, length))
        for _ in range(profile.suspends):
            self.agenda.at(some_time(), self._suspend)
        for _ in range(profile.steps):
            self.agenda.at(some_time(), self._step_clock)
        for number in range(profile.by_hand):
            self.agenda.at(some_time(), partial(self._by_hand, number))
        for _ in range(profile.hangs):
            begins, length = some_time(), chance.random() * 8
            self.agenda.at(begins, partial(self._hang, length))
        if profile.disk_fails:
            self.agenda.at(some_time(), self._fail_disk)
        if profile.disk_full:
            self.agenda.at(some_time(), self._fill_disk)
        for _ in range(profile.kills):
            self.agenda.at(some_time(), self._kill)
        for _ in range(profile.crashes // 2):
            self.agenda.at(some_time(), self._sigkill)

    def _cut(self, length_s: float) -> None:
        if self.link_down or self.is_calm:
            return
        self.tell("link", f"cut for {length_s:.1f} s")
        self.link_down, self.link_up_at = True, self.time + length_s
        if self.life is not None:
            for line in self.life.brokers.lines:
                line.cut()

        def heal() -> None:
            self.link_down = False
            self.tell("link", "is back")

        self.agenda.at(self.link_up_at, heal)

    def _suspend(self) -> None:
        if self.is_calm or self.loop is None:
            return
        length_s = self.chance.choice((3.0, 30.0, 200.0)) * self.chance.random()
        self.tell("machine", f"suspended for {length_s:.1f} s")
        self.suspended_s += length_s
        self.agenda.run_due()
        self.agenda.arm()

    def _step_clock(self) -> None:
        # A login by TOTP needs a clock that is right within a step.
        most = (-5.0, 4.0) if self.profile.broker == "zerodha" else (-3600.0, -5.0, 4.0, 120.0)
        self.stepped_s = self.chance.choice(most) * self.chance.random()
        self.tell("clock", f"stepped by {self.stepped_s:.1f} s")

    def _by_hand(self, number: int) -> None:
        symbol, side = self.chance.choice(SYMBOLS), self.chance.choice((Side.BUY, Side.SELL))
        self.far.place_by_hand(ACCOUNT, number, symbol, side)
        self.tell("hand", f"{side} {symbol}")

    def _hang(self, length_s: float) -> None:
        life = self.life
        if self.is_calm or life is None or not life.is_up or self._disk_is_sick:
            return
        self._disk_is_sick = True
        self.tell("disk", f"hangs for {length_s:.1f} s")
        life.disk.hang()

        def resume() -> None:
            self._disk_is_sick = False
            if not life.is_over:
                life.disk.resume()
                self.tell("disk", "goes on")

        self.agenda.at(self.time + length_s, resume)

    def _fail_disk(self) -> None:
        if self.life is not None and not self.is_calm:
            once = self.chance.random() < 0.3
            self.life.disk.fail_at(self.chance.randint(1, 20), once=once)
            self.tell("disk", f"will fail, once: {once}")

    def _fill_disk(self) -> None:
        if self.life is not None and not self.is_calm:
            disk = self.life.disk
            disk.capacity = disk.used + self.chance.randint(0, 3000)
            self.tell("disk", "is almost full")

    def _kill(self) -> None:
        life = self.life
        if self.is_calm or life is None or life.is_over or not life.is_up:
            return
        if self.chance.random() < 0.5:
            self.kill_with_next_send = True  # between an order's connection and its bytes
        else:
            self.pull()

    def pull(self) -> None:
        """The kill switch, in the way of this world."""
        life = self.life
        assert life is not None
        self.kill_with_next_send = False
        self.tell("kill", self.profile.kill_by)
        match self.profile.kill_by:
            case "gate":
                life.disk.gate()[0] = 1
                self.killed(durable=False)
            case "file":
                life.disk.put("kill.d/person.json", b"{}")
            case "signal":
                life.disk.gate()[0] = 1
                life.signals.kill()
                self.killed(durable=False)
            case _:
                life.wire.start_soon(engage, life)

    def _sigkill(self) -> None:
        self._crash = "sigkill"

    def _calm_down(self) -> None:
        """No more faults. What is under way still arrives."""
        self.is_calm = True
        self.tell("world", "the faults are over")
        self.fates = Fates()
        self.far.shown = Shown()
        self.disk.capacity = None


def _said(answer: Answer) -> str:
    return str(answer.error.kind.name if answer.error is not None else answer.result.change)


def _shown(told: Told) -> str:
    if told.order is not None:
        order = told.order
        return f"{order.status} {order.order_id} seq {order.seq} filled {order.filled_quantity} {told.change}"
    return f"{told.kind} ({told.retry})"


ADAPTERS = {"paper": _LimitedPaper(), "zerodha": ZERODHA}
_CLIENT, _APP = Client(), App()
CREDENTIALS = {
    "paper": Credentials(),
    "zerodha": Credentials(
        user_id=_CLIENT.user_id,
        api_key=Secret(_APP.api_key),
        api_secret=Secret(_APP.api_secret),
        password=Secret(_CLIENT.password),
        totp_secret=Secret(_CLIENT.totp_secret),
        mode="headless",
    ),
}
SETTINGS = {
    broker: Settings(
        file=Path("/ordod.conf"),
        daemon=DaemonSettings(socket=Path("/ordod.sock"), state_dir=Path("/state")),
        accounts={
            ACCOUNT: AccountSettings(
                name=ACCOUNT,
                broker=broker,
                base_url="http://127.0.0.1:9010",
                doubt_horizon_s=HORIZON_S,
            )
        },
    )
    for broker in ADAPTERS
}


@contextmanager
def quiet(is_told: bool) -> Iterator[None]:
    """No logs: a daemon that dies a thousand times has much to say."""
    if is_told:
        yield
        return
    before = structlog.get_config()
    structlog.configure(wrapper_class=_Silent)
    try:
        yield
    finally:
        structlog.configure(**before)


class _Silent(structlog.BoundLoggerBase):
    """Says nothing."""

    def debug(self, event: str, **_: Any) -> None: ...

    info = warning = error = exception = critical = debug

    def log(self, level: int, event: str, **_: Any) -> None: ...

    def is_enabled_for(self, level: int) -> bool:
        return False


def run(seed: int, *, is_told: bool = False) -> World:
    """The world of a seed, lived to its end."""
    return World(seed, is_told=is_told).run()
