"""A durable order at Zerodha's simulator: through Ordo, by the broker's own SDK, and by hand, in alternating blocks.

The SDK's call is the broker's part alone: no journal, no check, no daemon between. The floor is what no durable order can do
without. Where an order's time goes is told from outside: the floor's syncs and exchange, a ping's way to the daemon and
back, and the rest, which is the daemon's work and its waits for threads.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.figures import Figure, Part, micros, percentile
from benchmarks.floor import Floor, Laps
from benchmarks.processes import running
from benchmarks.zerodha import Broker, simulated
from ordoctl import Client
from tests.vendor.environments import CannotInstall
from tests.vendor.environments import sdk as sdk_python

__all__ = ["measure"]

SCRIPT = Path(__file__).parent / "sdk_orders.py"
BROKER = "unlimited-zerodha"
STOP_S = 5


class Sdk:
    """The SDK's process, which lives through all blocks, its connection too."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def place(self, count: int) -> list[float]:
        """Seconds of each order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=list[float])


def measure(scratch: Path, *, quick: bool) -> Part:
    count, blocks = (10, 1) if quick else (60, 10)
    notes = [
        f"{blocks} blocks of {count} sequential orders each, alternating; resting limit orders"
    ]
    try:
        python: Path | None = sdk_python("zerodha", only_if_made=quick)
    except CannotInstall as reason:
        python = None
        notes.append(f"without the SDK: {reason}")
    ordo: list[float] = []
    sdk: list[float] = []
    pings: list[float] = []
    processor: list[float] = []
    floor = Laps([], [], [])
    with (
        simulated("--no-limits") as broker,
        running(scratch / "order", broker.account("zerodha", BROKER)) as daemon,
        daemon.client() as client,
        _floor(broker, scratch) as by_hand,
        _sdk(python, broker) as vendor,
    ):
        _place(client, "warm", 10, float(broker.price))
        for block in range(blocks):
            before = daemon.cpu_s()
            ordo += _place(client, f"block{block}", count, float(broker.price))
            processor.append((daemon.cpu_s() - before) / count)
            sdk += vendor.place(count) if vendor else []
            laps = by_hand.place(count)
            floor.intent += laps.intent
            floor.broker += laps.broker
            floor.outcome += laps.outcome
            pings += _ping(client, count)
    figures = [
        Figure(name="Ordo, median", value=micros(ordo), unit="µs"),
        Figure(name="Ordo, 99 of 100 within", value=percentile(ordo, 99) * 1e6, unit="µs"),
        Figure(name="floor, median", value=micros(floor.total), unit="µs"),
        Figure(name="floor, 99 of 100 within", value=percentile(floor.total, 99) * 1e6, unit="µs"),
        Figure(name="Ordo / floor", value=micros(ordo) / micros(floor.total), unit="x"),
    ]
    if sdk:
        figures += [
            Figure(name="SDK alone, median", value=micros(sdk), unit="µs"),
            Figure(name="SDK alone, 99 of 100 within", value=percentile(sdk, 99) * 1e6, unit="µs"),
            Figure(
                name="Ordo / SDK alone",
                value=micros(ordo) / micros(sdk),
                unit="x",
                budget=1.0,
                aim=0.7,
            ),
            Figure(
                name="the same, had the disk taken no time",
                value=(micros(ordo) - _syncs(floor)) / micros(sdk),
                unit="x",
            ),
        ]
    return Part(
        name="order",
        title="A durable order at Zerodha's simulator",
        figures=[
            *figures,
            *_stages(ordo, floor, pings),
            Figure(
                name="the daemon's processor, its readings too", value=micros(processor), unit="µs"
            ),
        ],
        notes=notes,
    )


def _stages(ordo: list[float], floor: Laps, pings: list[float]) -> list[Figure]:
    syncs = _syncs(floor)
    broker, ping = micros(floor.broker), micros(pings)
    rest = micros(ordo) - syncs - broker - ping
    return [
        Figure(name="of it: two syncs", value=syncs, unit="µs"),
        Figure(name="of it: the broker, raw", value=broker, unit="µs"),
        Figure(name="of it: client and socket (a ping)", value=ping, unit="µs"),
        Figure(name="of it: the rest, the daemon's", value=rest, unit="µs"),
    ]


def _syncs(floor: Laps) -> float:
    return micros(floor.intent) + micros(floor.outcome)


def _place(client: Client, name: str, count: int, price: float) -> list[float]:
    took = []
    for number in range(count):
        begun = time.perf_counter()
        client.order.place(
            "zerodha",
            key=f"{name}-{number}",
            symbol="NSE:INFY",
            side="BUY",
            quantity=1,
            type="LIMIT",
            product="MIS",
            price=price,
        )
        took.append(time.perf_counter() - begun)
    return took


def _ping(client: Client, count: int) -> list[float]:
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        client.call("system.ping")
        took.append(time.perf_counter() - begun)
    return took


@contextmanager
def _floor(broker: Broker, scratch: Path) -> Iterator[Floor]:
    floor = Floor(broker.sim.url, broker.session, broker.price, scratch / "floor")
    try:
        yield floor
    finally:
        floor.close()


@contextmanager
def _sdk(python: Path | None, broker: Broker) -> Iterator[Sdk | None]:
    if python is None:
        yield None
        return
    session = broker.session
    command = [str(python), str(SCRIPT), broker.sim.url, session.api_key]
    command += [session.access_token.reveal(), str(broker.price)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield Sdk(process)
    finally:
        process.kill()
        process.communicate(timeout=STOP_S)
