"""The kill switch with a hundred open orders: how soon the first cancel, and the last, is at the broker.

At Zerodha's simulator the adapter's own windows hold, nine requests a second; so many cancels take eleven seconds there,
whoever sends them.
"""

import socket
import time
from datetime import datetime
from pathlib import Path

import orjson

from benchmarks.figures import Figure, Part
from benchmarks.paper import ACCOUNT, last_price, order_line, pipeline, warm_up
from benchmarks.processes import Daemon, running
from benchmarks.zerodha import Broker, simulated

__all__ = ["measure"]

OPEN = 100
FIRST_MS = 100.0
QUIET_S = 2.0  # after so long the orders have left the second's window
KILL = (
    b'{"jsonrpc":"2.0","id":1,"method":"kill.engage","params":{"reason":"benchmark: the sweep"}}\n'
)
SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"topics":["orders"]}}\n'


def measure(scratch: Path, *, quick: bool) -> Part:
    count = 5 if quick else OPEN
    with running(scratch / "paper", ACCOUNT) as daemon:
        at = round(last_price(daemon) * 0.95)
        warm_up(daemon, at)
        pipeline(daemon.socket, [order_line(f"s{n}", at) for n in range(count)])
        paper = _paper_cancels(daemon, count)
    with (
        simulated() as broker,
        running(scratch / "zerodha", broker.account("zerodha", "zerodha")) as daemon,
    ):
        zerodha = _zerodha_cancels(broker, daemon, count)
    figures = []
    for name, cancels in (("paper", paper), ("Zerodha's simulator", zerodha)):
        assert len(cancels) >= count
        figures += [
            Figure(
                name=f"{name}: first cancel", value=cancels[0] * 1e3, unit="ms", budget=FIRST_MS
            ),
            Figure(name=f"{name}: all {len(cancels)}", value=cancels[-1] * 1e3, unit="ms"),
        ]
    return Part(
        name="sweep",
        title=f"The kill switch with {count} open orders",
        figures=figures,
        notes=[
            "from the call to the order's event (paper), to the cancel at the broker (Zerodha's simulator)"
        ],
    )


def _paper_cancels(daemon: Daemon, count: int) -> list[float]:
    """Seconds from the call to each order's event."""
    with _connected(daemon) as events, _connected(daemon) as control:
        events.sendall(SUBSCRIBE)
        lines = events.makefile("rb")
        lines.readline()
        begun = time.perf_counter()
        control.sendall(KILL)
        cancels: dict[str, float] = {}
        while len(cancels) < count:
            order = orjson.loads(lines.readline())["params"].get("order") or {}
            if order.get("status") == "CANCELLED":
                cancels.setdefault(order["order_id"], time.perf_counter() - begun)
    return sorted(cancels.values())


def _zerodha_cancels(broker: Broker, daemon: Daemon, count: int) -> list[float]:
    """Seconds from the call to each cancel at the simulator, by its own clock."""
    price = float(broker.price)
    with daemon.client() as client:
        for number in range(count):
            client.order.place(
                "zerodha",
                key=f"s{number}",
                symbol="NSE:INFY",
                side="BUY",
                quantity=1,
                type="LIMIT",
                product="MIS",
                price=price,
            )
    time.sleep(QUIET_S)
    with _connected(daemon) as control:
        begun = datetime.fromisoformat(broker.sim.call("GET", "clock")["at"])
        control.sendall(KILL)
        control.makefile("rb").readline()
    deeds = [deed for deed in broker.sim.deeds() if deed["what"] == "cancel" and not deed["error"]]
    return sorted((datetime.fromisoformat(deed["at"]) - begun).total_seconds() for deed in deeds)


def _connected(daemon: Daemon) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(daemon.socket))
    return connection
