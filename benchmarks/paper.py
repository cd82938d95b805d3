"""Paper throughput: durable orders a second through the socket, pipelined, the daemon on one core.

The other side is this process, on another core where there is one. Half of the orders rest, half fill at once; each is
answered after its outcome is on disk.
"""

import os
import socket
import time
from pathlib import Path
from statistics import median

import orjson

from benchmarks.figures import Figure, Part
from benchmarks.processes import Daemon, cores, running

__all__ = ["ACCOUNT", "measure", "order_line", "pipeline"]

ACCOUNT = '[accounts.paper]\nbroker = "paper"\ncash = "900000000000"\n'
SYMBOL = "NSE:INFY"
IN_FLIGHT = 200  # a connection has 256 at most
REPEATS = 5


def measure(scratch: Path, *, quick: bool) -> Part:
    orders = 200 if quick else 5_000
    repeats = 1 if quick else REPEATS
    available = cores()
    with running(scratch / "paper", ACCOUNT) as daemon:
        price = last_price(daemon)
        warm_up(daemon, price)
        rates, costs = {}, {}
        try:
            if len(available) > 1:
                daemon.pin({available[0]})
                os.sched_setaffinity(0, {available[1]})
            for kind in ("resting", "filling"):
                at = round(price * (0.95 if kind == "resting" else 1.05))
                blocks = [_block(daemon, f"{kind}{n}", at, orders) for n in range(repeats)]
                rates[kind] = median(rate for rate, _ in blocks)
                costs[kind] = median(cost for _, cost in blocks)
        finally:
            os.sched_setaffinity(0, set(available))
    return Part(
        name="paper",
        title="Paper throughput, pipelined, the daemon on one core",
        figures=[
            *(
                Figure(
                    name=f"orders that {'rest' if kind == 'resting' else 'fill'}",
                    value=rates[kind],
                    unit="orders/s",
                    budget=5_000,
                    aim=10_000,
                    more_is_better=True,
                )
                for kind in rates
            ),
            *(
                Figure(name=f"processor, {kind}", value=costs[kind], unit="µs/order")
                for kind in costs
            ),
        ],
        notes=[
            f"the median of {repeats} blocks of {orders} orders each, {IN_FLIGHT} in flight on one connection"
        ],
    )


def last_price(daemon: Daemon) -> float:
    with daemon.client() as client:
        said = client.call("market.ltp", symbols=[SYMBOL])
    return float(said["quotes"][SYMBOL]["last_price"])


def warm_up(daemon: Daemon, price: float) -> None:
    """Waits until the account takes orders, and places a few."""
    with daemon.client() as client:
        for n in range(20):
            client.order.place(
                "paper",
                key=f"warm-{n}",
                symbol=SYMBOL,
                side="BUY",
                quantity=1,
                type="LIMIT",
                product="MIS",
                price=round(price * 0.95),
            )


def order_line(key: str, price: float, *, account: str = "paper", symbol: str = SYMBOL) -> bytes:
    """A request as a client writes it."""
    params = {
        "account": account,
        "key": key,
        "symbol": symbol,
        "side": "BUY",
        "quantity": 1,
        "type": "LIMIT",
        "product": "MIS",
        "price": price,
    }
    request = {"jsonrpc": "2.0", "id": key, "method": "order.place", "params": params}
    return orjson.dumps(request) + b"\n"


def _block(daemon: Daemon, name: str, price: float, count: int) -> tuple[float, float]:
    """Orders a second, and processor microseconds an order."""
    lines = [order_line(f"{name}-{n}", price) for n in range(count)]
    cpu, begun = daemon.cpu_s(), time.perf_counter()
    pipeline(daemon.socket, lines)
    took, used = time.perf_counter() - begun, daemon.cpu_s() - cpu
    return count / took, used / count * 1e6


def pipeline(path: Path, lines: list[bytes]) -> None:
    """Send all, so many in flight, and read every answer. Raises RuntimeError where one is an error."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        sent = min(IN_FLIGHT, len(lines))
        connection.sendall(b"".join(lines[:sent]))
        answered, rest = 0, b""
        while answered < len(lines):
            data = connection.recv(1 << 18)
            if not data:
                raise RuntimeError("the daemon closed the connection")
            if b'"error"' in data:
                raise RuntimeError(f"an order was refused: {(rest + data)[:500]!r}")
            more = data.count(b"\n")
            rest = data[-200:]
            answered += more
            connection.sendall(b"".join(lines[sent : sent + more]))
            sent = min(sent + more, len(lines))
