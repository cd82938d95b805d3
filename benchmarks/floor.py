"""What no order can do without: two syncs of its records, and its bytes to the broker and back over a raw socket.

The bytes are those that Zerodha's adapter makes, under the headers that Ordo sends; the records are those of the journal.
As a process, for where only a process can be: `python -m benchmarks.floor URL API_KEY ACCESS_TOKEN PRICE FOLDER` reads a count a line
and writes the seconds of each order, as a JSON list.
"""

import json
import os
import socket
import sys
import time
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from ordo_adapters.zerodha import ZERODHA
from ordod import __version__
from ordod.adapter import (
    Exchange,
    Instrument,
    InstrumentKind,
    NewOrder,
    OrderType,
    Product,
    Secret,
    Session,
    Side,
)
from ordod.core.orders.format import body
from ordod.core.orders.records import Accepted, Intent
from ordod.domain.orders import OrderTerms

__all__ = ["Floor", "Laps"]

TAG = "ABCDEFGHIJKLMNOPQRST"
LINE_REST = 130  # bytes of a journal line that are not its record: number, batch, time, hash


class Laps(Struct):
    """Seconds of each order: the first sync, the broker, the second sync."""

    intent: list[float]
    broker: list[float]
    outcome: list[float]

    @property
    def total(self) -> list[float]:
        return [sum(each) for each in zip(self.intent, self.broker, self.outcome, strict=True)]


class Floor:
    """Places orders by hand. `close` it."""

    def __init__(self, url: str, session: Session, price: Decimal, folder: Path) -> None:
        host, port = url.partition("://")[2].split(":")
        terms = OrderTerms(
            symbol="NSE:INFY",
            side=Side.BUY,
            quantity=1,
            type=OrderType.LIMIT,
            product=Product.MIS,
            price=price,
        )
        self._request = _request_bytes(f"{host}:{port}", session, price)
        self._intent, self._outcome = _lines(session, terms)
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        folder.mkdir()
        self._file = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def place(self, count: int) -> Laps:
        laps = Laps([], [], [])
        for _ in range(count):
            begun = time.perf_counter()
            self._write(self._intent)
            written = time.perf_counter()
            self._exchange()
            answered = time.perf_counter()
            self._write(self._outcome)
            laps.intent.append(written - begun)
            laps.broker.append(answered - written)
            laps.outcome.append(time.perf_counter() - answered)
        return laps

    def close(self) -> None:
        self._socket.close()
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        os.write(self._file, line)
        os.fdatasync(self._file)

    def _exchange(self) -> None:
        self._socket.sendall(self._request)
        answer = self._socket.recv(65536)
        head, _, body_ = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body_) < length:
            body_ += self._socket.recv(65536)
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"the simulator refused an order: {answer[:500]!r}")


def _request_bytes(host: str, session: Session, price: Decimal) -> bytes:
    instrument = Instrument(
        symbol="NSE:INFY",
        exchange=Exchange.NSE,
        broker_symbol="INFY",
        instrument_token="408065",  # noqa: S106 - a number of the contract
        kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.05"),
        lot_size=1,
    )
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=1,
        type=OrderType.LIMIT,
        product=Product.MIS,
        price=price,
        tag=TAG,
    )
    request = next(ZERODHA.place(session, order, instrument))
    content_type, content = request.body()
    headers = [
        ("host", host),
        ("user-agent", f"ordod/{__version__}"),
        ("accept-encoding", "gzip, deflate"),
        ("content-type", content_type),
        *request.headers,
        ("content-length", str(len(content))),
    ]
    lines = [f"{request.method} {request.target()} HTTP/1.1", *(f"{k}: {v}" for k, v in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _lines(session: Session, terms: OrderTerms) -> tuple[bytes, bytes]:
    """Bytes of the length of an intent's and an outcome's line."""
    order_id = "o019a0a0a0a01234567890001"
    intent = Intent(
        id=order_id,
        operation="place",
        account="zerodha",
        user=session.user_id,
        key="01234567890123456789012345678901",
        fingerprint="0123456789abcdef0123456789abcdef",
        caller="user 1000",
        tag=TAG,
        symbol_written="NSE:INFY",
        order=terms,
    )
    outcome = Accepted(id=order_id, broker_id="261125000000001")
    return tuple(body(record) + b" " * LINE_REST for record in (intent, outcome))  # type: ignore[return-value]


def main(url: str, api_key: str, token: str, price: str, folder: str) -> None:
    session = Session(user_id="", access_token=Secret(token), api_key=api_key)
    floor = Floor(url, session, Decimal(price), Path(folder))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(floor.place(int(line)).total) + "\n")
        sys.stdout.flush()
    floor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
