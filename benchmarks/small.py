"""An hour's trading, compressed, on a small machine: the daemon has one core and 256 MiB, everybody else the rest.

    minute 0        the open: all clients at once
    every minute    orders one by one, which are timed, and readings
    7, 15, 22 ...   bursts, half of whose orders are cancelled again
    30              a reload with another limit
    59              all but a hundred of what is open is cancelled
    60              the kill switch; its budget is for a hundred open orders, and every one of them costs some 0.15 ms before

Meanwhile prices of some hundred instruments are pushed to three clients, one client follows every order's events, and another
asks whether anybody is there, over and over. The floor (`floor.py`) is measured before and after under the same limits. What is
counted at the end is read from the broker and the journal, not from the daemon.
"""

import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from benchmarks.confined import Confined, confined
from benchmarks.figures import Figure, Part, percentile
from benchmarks.memory import wait_for_master
from benchmarks.processes import Daemon, answer_to, cores, running, talking
from benchmarks.zerodha import Broker, simulated
from ordoctl import Client
from ordoctl.errors import CallError
from ordod.core.orders.checking import verify
from ordod.core.orders.segments import lines_between
from ordod.io.files import Files

__all__ = ["hour", "measure"]

MEMORY_MIB = 256
RESIDENT_MIB = 150  # as on any machine: docs/benchmarks.md
PEAK_MIB = 200  # while 150,000 instruments are read
LONE_FLOORS = 12.0
BURST_FLOORS = 8.0
TURN_MS = 250.0  # a client's question to the busy loop, and back
TICK_MS = 100.0
FIRST_CANCEL_MS = 100.0

SHARES = ("NSE:INFY", "NSE:TCS", "NSE:SBIN", "NSE:ITC", "NSE:LT", "NSE:WIPRO")
LISTS = ("nifty ce", "banknifty ce", "finnifty ce", "reliance ce", "infy ce", "nifty pe", "fut")
BURSTS_AT = (7, 15, 22, 31, 38, 46, 53)
RELOAD_AT = 30
OPEN_AT_KILL = 100
CLIENTS = 6
UPDATES_S = 5  # of each instrument
READERS = 3
PING_S = 0.02
SWEPT_S = 30.0


class Size(Struct, frozen=True, kw_only=True):
    """How much of it. `broker`: of `plugin`. `minute_s`: seconds that a minute takes at least."""

    broker: str
    minute_s: float
    open: int
    lone: int
    burst: int
    instruments: int
    floor: int


WHOLE = Size(
    broker="small-zerodha", minute_s=1.5, open=150, lone=6, burst=50, instruments=300, floor=200
)
SHORT = Size(
    broker="unlimited-zerodha", minute_s=0.05, open=20, lone=1, burst=6, instruments=20, floor=20
)


class Told(Struct):
    """What the clients saw. Seconds; `bursts`: of each burst, an order's share."""

    answered: dict[str, str]
    lone: list[float]
    bursts: list[float]
    turns: list[float]
    refused: list[str]


def measure(scratch: Path, *, quick: bool) -> Part:
    return hour(scratch, SHORT if quick else WHOLE)


def hour(scratch: Path, size: Size, *, seed: int = 0) -> Part:
    """Every budget is a figure; where `Figure.verdict` is MISSED one was not kept.

    Raises:
        RuntimeError: the daemon ended, or did not start; with the kernel's kills.
    """
    core = cores()[-1]
    with (
        confined("daemon", memory_mib=MEMORY_MIB, core=core) as limits,
        confined("floor", memory_mib=MEMORY_MIB, core=core) as same,
        simulated("--no-limits") as broker,
        _ticker(size) as port,
        _floor(scratch, broker, same) as by_hand,
    ):
        accounts = broker.account("zerodha", size.broker)
        accounts += f'urls.ws = "ws://127.0.0.1:{port}"\n[risk]\nmax_quantity = 100\n'
        with running(scratch / "small", accounts, limits.prefix) as daemon:
            wait_for_master(daemon)
            floor = by_hand(size.floor)
            try:
                with (
                    daemon.client() as client,
                    _prices(daemon, client, size) as prices,
                    _events(daemon) as events,
                ):
                    told = _trade(daemon, client, size, random.Random(seed))  # noqa: S311 - repeatable on purpose
                    first_cancel, left = _kill(broker, client)
                    status = client.call("system.status")
                    pushed = prices()
            except CallError as error:
                raise RuntimeError(
                    f"it answers no more ({error}); ended by the kernel for its memory: {limits.kills()}"
                ) from error
            resident, peak = daemon.rss_mib(), daemon.peak_mib()
            floor += by_hand(size.floor)
            alive = daemon.process.poll() is None
        wrong = _wrong(broker, scratch / "small" / "state", told)
        return Part(
            name="small",
            title=f"An hour in {60 * size.minute_s:.0f} s, one core and {MEMORY_MIB} MiB",
            figures=[
                *_must(limits, told, wrong, events(), status, left, alive=alive),
                *_memory(limits, resident, peak),
                *_speed(told, floor, first_cancel, pushed),
            ],
            notes=[
                f"limits by {limits.how}, for the daemon alone; core {core} of {cores()}",
                f"{len(told.answered)} orders, seed {seed}; the floor is of {len(floor)} orders under the same limits",
                *wrong,
            ],
        )


# The figures


def _must(
    limits: Confined,
    told: Told,
    wrong: list[str],
    missed: int,
    status: dict[str, Any],
    left: int,
    *,
    alive: bool,
) -> list[Figure]:
    """What may not happen at all."""
    return [
        Figure(name="rest: ended by the kernel for its memory", value=limits.kills(), budget=0),
        Figure(name="rest: not alive at the end", value=not alive, budget=0),
        Figure(name="rest: orders lost, doubled or told wrong", value=len(wrong), budget=0),
        Figure(name="rest: orders refused", value=len(told.refused), budget=0),
        Figure(name="rest: doubts", value=len(status["doubts"]), budget=0),
        Figure(name="rest: orders that the sweep left open", value=left, budget=0),
        # A queue that passes its bound closes its connection, and then an event is missing.
        Figure(name="rest: order events missing, or their queue closed", value=missed, budget=0),
    ]


def _memory(limits: Confined, resident: float, peak: float) -> list[Figure]:
    return [
        Figure(name="resident at the end", value=resident, unit="MiB", budget=RESIDENT_MIB),
        Figure(name="resident at its highest", value=peak, unit="MiB", budget=PEAK_MIB),
        Figure(
            name="rest: charged at its highest, page cache too", value=limits.peak_mib(), unit="MiB"
        ),
    ]


def _speed(
    told: Told, floor: list[float], first_cancel_s: float, pushed: dict[str, Any]
) -> list[Figure]:
    lone, least = percentile(told.lone, 99), percentile(floor, 99)
    share = median(told.bursts) / median(floor)
    return [
        Figure(name="a lone order, median", value=median(told.lone) * 1e3, unit="ms"),
        Figure(name="a lone order, 99 of 100 within", value=lone * 1e3, unit="ms"),
        Figure(name="the floor, 99 of 100 within", value=least * 1e3, unit="ms"),
        Figure(
            name="a lone order / the floor, 99 of 100",
            value=lone / least,
            unit="x",
            budget=LONE_FLOORS,
        ),
        Figure(
            name="in a burst, an order's share / the floor",
            value=share,
            unit="x",
            budget=BURST_FLOORS,
        ),
        Figure(
            name="loop: a ping, 99 of 100 within",
            value=percentile(told.turns, 99) * 1e3,
            unit="ms",
            budget=TURN_MS,
        ),
        Figure(
            name="kill: first cancel at the broker, of a hundred at most",
            value=first_cancel_s * 1e3,
            unit="ms",
            budget=FIRST_CANCEL_MS,
        ),
        Figure(
            name="a tick to a client, 99 of 100 within",
            value=percentile(pushed["delays"], 99),
            unit="ms",
            budget=TICK_MS,
        ),
        Figure(name="rest: ticks that were skipped", value=pushed["skipped"]),
    ]


def _wrong(broker: Broker, state: Path, told: Told) -> list[str]:
    """What was told and is not so, by the broker's own deeds and the journal."""
    disk = Files(state, exclusive=False)
    try:
        report = verify(disk)
        journal = [json.loads(line) for line in lines_between(disk, 1, report.records)]
    finally:
        disk.close()
    keys = {record["tag"]: record["key"] for record in journal if record["type"] == "intent"}
    doubts = sum(record["type"] == "doubt" for record in journal)
    made = Counter(keys[deed["tag"]] for deed in broker.sim.placements() if deed["tag"] in keys)
    wrong = [
        f"{key}: told {what}, {made[key]} at the broker"
        for key, what in told.answered.items()
        if made[key] != 1
    ]
    wrong += [
        f"{key}: at the broker, and nobody was told" for key in made if key not in told.answered
    ]
    wrong += [] if report.is_good else [f"the journal: {report.damage or report.tampered}"]
    return wrong + [f"{doubts} doubts in the journal"] * bool(doubts)


# The hour


def _trade(daemon: Daemon, client: Client, size: Size, chance: random.Random) -> Told:
    told = Told({}, [], [], [], [])
    quotes = client.call("market.ltp", account="zerodha", symbols=list(SHARES))["quotes"]
    prices = {name: int(float(quotes[name]["last_price"]) * 0.97) for name in SHARES}
    numbers = iter(range(1_000_000))

    resting: list[str] = []

    def order() -> dict[str, Any]:
        symbol = chance.choice(SHARES)
        terms: dict[str, Any] = {"type": "LIMIT", "price": prices[symbol]}
        if chance.random() < 0.2:
            terms = {"type": "MARKET"}
        asked = {"key": f"h{next(numbers)}", "symbol": symbol, "side": "BUY", "product": "MIS"}
        return asked | {"quantity": chance.randint(1, 9)} | terms

    def place(asked: dict[str, Any]) -> float:
        begun = time.perf_counter()
        try:
            told.answered[asked["key"]] = str(client.order.place("zerodha", **asked).status)
            if asked["type"] == "LIMIT":
                resting.append(asked["key"])
        except CallError as error:
            told.refused.append(f"{asked['key']}: {error}")
        return time.perf_counter() - begun

    with ThreadPoolExecutor(CLIENTS) as pool, _pinging(client, told.turns):

        def at_once(count: int) -> None:
            asked = [order() for _ in range(count)]
            begun = time.perf_counter()
            list(pool.map(place, asked))
            told.bursts.append((time.perf_counter() - begun) / count)

        def cancel(keys: list[str]) -> None:
            list(pool.map(lambda key: _cancel(client, key), keys))
            resting[:] = [key for key in resting if key not in keys]

        at_once(size.open)
        for minute in range(1, 60):
            begun = time.monotonic()
            if minute in BURSTS_AT:
                before = len(resting)
                at_once(size.burst)
                cancel(resting[before::2])
            if minute == RELOAD_AT:
                _reload(daemon, client)
            for _ in range(size.lone):
                told.lone.append(place(order()))
                _read(client, chance)
                time.sleep(size.minute_s / size.lone / 4)
            time.sleep(max(0.0, begun + size.minute_s - time.monotonic()))
        cancel(resting[:-OPEN_AT_KILL])
    return told


def _cancel(client: Client, key: str) -> None:
    client.order.cancel(account="zerodha", key=key)


def _read(client: Client, chance: random.Random) -> None:
    reads: list[Callable[[], Any]] = [
        lambda: client.call("order.list", account="zerodha", limit=100),
        lambda: client.call("portfolio.positions", account="zerodha"),
        lambda: client.call("portfolio.funds", account="zerodha"),
        lambda: client.call("instrument.search", text="nifty ce", limit=20),
    ]
    chance.choice(reads)()


def _reload(daemon: Daemon, client: Client) -> None:
    config = daemon.socket.with_name("ordod.conf")
    config.write_text(config.read_text().replace("max_quantity = 100", "max_quantity = 90"))
    changed = client.call("system.reload")["changed"]
    if not changed:
        raise RuntimeError("the reload took nothing")


@contextmanager
def _pinging(client: Client, turns: list[float]) -> Iterator[None]:
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(PING_S):
            begun = time.perf_counter()
            client.call("system.ping")
            turns.append(time.perf_counter() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        enough.set()
        asking.join()


def _kill(broker: Broker, client: Client) -> tuple[float, int]:
    """Seconds to the first cancel at the broker, by its own clock; and the orders that the sweep has not closed in its time."""
    before = sum(deed["what"] == "cancel" for deed in broker.sim.deeds())
    begun = datetime.fromisoformat(broker.sim.call("GET", "clock")["at"])
    client.call("kill.engage", reason="the hour is over")
    until = time.monotonic() + SWEPT_S
    while (sweep := client.call("kill.status")["sweep"])["running"] and time.monotonic() < until:
        time.sleep(0.1)
    cancels = [deed for deed in broker.sim.deeds() if deed["what"] == "cancel"][before:]
    first = datetime.fromisoformat(cancels[0]["at"]) - begun
    return first.total_seconds(), sweep["left"] if sweep["running"] else 0


# Those beside it


@contextmanager
def _floor(
    scratch: Path, broker: Broker, limits: Confined
) -> Iterator[Callable[[int], list[float]]]:
    """Places so many orders by hand, under the same limits."""
    session = broker.session
    command = [
        "-m",
        "benchmarks.floor",
        broker.sim.url,
        session.api_key,
        session.access_token.reveal(),
    ]
    command += [str(broker.price), str(scratch / "floor")]
    with talking([*limits.prefix, sys.executable, *command]) as process:
        yield lambda count: [float(one) for one in json.loads(answer_to(process, str(count)))]


@contextmanager
def _ticker(size: Size) -> Iterator[int]:
    """The port of a stream of prices."""
    frames_s = UPDATES_S * 10
    packets = size.instruments // 10
    command = ["-m", "benchmarks.ticker", str(size.instruments), str(frames_s), str(packets)]
    with talking([sys.executable, *command]) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@contextmanager
def _prices(daemon: Daemon, client: Client, size: Size) -> Iterator[Callable[[], dict[str, Any]]]:
    """Clients of the prices; the call waits until they are done and gives what they saw."""
    symbols: dict[str, None] = {}
    for text in LISTS:
        found = client.call("instrument.search", text=text, limit=100)["instruments"]
        symbols |= dict.fromkeys(one["symbol"] for one in found)
    asked = list(symbols)[: size.instruments]
    if len(asked) < size.instruments:
        raise RuntimeError(f"only {len(asked)} instruments were found")
    command = [
        "-m",
        "benchmarks.readers",
        str(daemon.socket),
        str(READERS),
        str(45 * size.minute_s),
    ]
    with talking([sys.executable, *command]) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()

        def wait() -> dict[str, Any]:
            assert process.stdout is not None
            seen: dict[str, Any] = json.loads(process.stdout.readline())
            return seen

        yield wait


@contextmanager
def _events(daemon: Daemon) -> Iterator[Callable[[], int]]:
    """Follows the orders' events. The call, after the block: how many are missing; a closed connection is one."""
    seen: list[tuple[int, int]] = []
    ended: list[bool] = []
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "events.subscribe",
        "params": {"topics": ["orders", "trades"]},
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(daemon.socket))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        lines = connection.makefile("rb")
        first = json.loads(lines.readline())["result"]["seq"]

        def follow() -> None:
            for line in lines:
                told = json.loads(line)["params"]
                seen.append((told["prev"], told["seq"]))
            ended.append(True)

        following = threading.Thread(target=follow)
        following.start()
        try:
            yield (
                lambda: (
                    closed_early
                    + sum(
                        prev != before
                        for (prev, _), before in zip(
                            seen, [first, *(seq for _, seq in seen)], strict=False
                        )
                    )
                    + (not seen)
                )
            )
        finally:
            closed_early = len(ended)
            connection.shutdown(socket.SHUT_RDWR)
            following.join()
