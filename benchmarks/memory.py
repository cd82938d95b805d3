"""Resident memory: idle, after a day's orders, and with as many instruments as the exchanges list.

With a long journal: see the start-up's figures.
"""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, Part
from benchmarks.paper import ACCOUNT, last_price, order_line, pipeline, warm_up
from benchmarks.processes import Daemon, running
from benchmarks.zerodha import simulated
from ordoctl.client import Ticks

__all__ = ["measure", "wait_for_master"]

IDLE_MIB = 64
INSTRUMENTS_MIB = 150  # with the subscriptions
SUBSCRIBED = 3_000
WATCHED_S = 5.0
ORDERS = 5_000
IDLE_S = 3.0
LOAD_S = 120.0


def measure(scratch: Path, *, quick: bool) -> Part:
    orders = 100 if quick else ORDERS
    with running(scratch / "paper", ACCOUNT) as daemon:
        price = last_price(daemon)
        warm_up(daemon, price)
        time.sleep(0 if quick else IDLE_S)
        idle = daemon.rss_mib()
        at = round(price * 1.05)
        pipeline(daemon.socket, [order_line(f"m{n}", at) for n in range(orders)])
        traded = daemon.rss_mib()
    with (
        simulated() as broker,
        running(scratch / "crowded", broker.account("zerodha", "crowded-zerodha")) as daemon,
    ):
        wait_for_master(daemon)
        crowded, peak = daemon.rss_mib(), daemon.peak_mib()
        told = _watch(daemon, 20 if quick else SUBSCRIBED, 0.5 if quick else WATCHED_S)
        watched, highest = daemon.rss_mib(), daemon.peak_mib()
    return Part(
        name="memory",
        title="Resident memory",
        figures=[
            Figure(name="idle, one paper account", value=idle, unit="MiB", budget=IDLE_MIB),
            Figure(name=f"after {orders:,} orders that filled", value=traded, unit="MiB"),
            Figure(
                name="with 150,000 instruments", value=crowded, unit="MiB", budget=INSTRUMENTS_MIB
            ),
            Figure(name="the highest while they were loaded", value=peak, unit="MiB"),
            Figure(
                name=f"and with {SUBSCRIBED:,} of them pushed",
                value=watched,
                unit="MiB",
                budget=INSTRUMENTS_MIB,
            ),
            Figure(name="the highest of all that", value=highest, unit="MiB"),
            Figure(name="prices pushed to three clients a second", value=told),
        ],
    )


def _watch(daemon: Daemon, count: int, seconds: float) -> float:
    """Subscribe so many instruments, over three connections, and read; prices told a second."""
    table = daemon.socket.parent / "state/instruments/crowded-zerodha.sqlite"
    with closing(sqlite3.connect(table)) as rows:
        # The first are those that the simulator has, and moves.
        select = "SELECT symbol FROM instruments WHERE kind = 'CE' ORDER BY rowid LIMIT ?"
        symbols = [row[0] for row in rows.execute(select, (count,))]
    with daemon.client() as client:
        streams = [client.ticks(symbols[place::3]) for place in range(3)]
        told = [0, 0, 0]
        threads = [
            threading.Thread(target=_read, args=(stream, told, place))
            for place, stream in enumerate(streams)
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for stream in streams:
            stream.close()
        for thread in threads:
            thread.join()
    return sum(told) / seconds


def _read(stream: Ticks, told: list[int], place: int) -> None:
    for _ in stream:
        told[place] += 1


def wait_for_master(daemon: Daemon) -> None:
    """Until its log says that the instruments are there."""
    end = time.monotonic() + LOAD_S
    while "master_loaded" not in daemon.log.read_text(encoding="utf-8"):
        if time.monotonic() > end:
            raise RuntimeError("the instruments were not loaded")
        time.sleep(0.05)
