"""Resident memory: idle, after a day's orders, and with as many instruments as the exchanges list.

With a long journal: see the start-up's figures.
"""

import time
from pathlib import Path

from benchmarks.figures import Figure, Part
from benchmarks.paper import ACCOUNT, last_price, order_line, pipeline, warm_up
from benchmarks.processes import Daemon, running
from benchmarks.zerodha import simulated

__all__ = ["measure", "wait_for_master"]

IDLE_MIB = 64
INSTRUMENTS_MIB = 150  # the budget has 3,000 live subscriptions too: see the part of prices
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
        ],
    )


def wait_for_master(daemon: Daemon) -> None:
    """Until its log says that the instruments are there."""
    end = time.monotonic() + LOAD_S
    while "master_loaded" not in daemon.log.read_text(encoding="utf-8"):
        if time.monotonic() > end:
            raise RuntimeError("the instruments were not loaded")
        time.sleep(0.05)
