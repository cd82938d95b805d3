"""Pushed prices: how fast frames are read, beside the broker's own client, and how they reach ten clients.

The stream is a process of its own that speaks Kite's packets at an even pace; the daemon has one core to itself.
"""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

from benchmarks.figures import Figure, Part, percentile
from benchmarks.memory import wait_for_master
from benchmarks.plugin.benchmark_zerodha import CROWDED
from benchmarks.processes import Daemon, answer_to, cores, running, talking
from benchmarks.readers import subscribe
from benchmarks.ticker import frames_of
from benchmarks.zerodha import Broker, simulated
from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    IST,
    Exchange,
    Instrument,
    InstrumentKind,
    Mode,
    Secret,
    Session,
    Stream,
    suite,
)
from tests.vendor.environments import CannotInstall
from tests.vendor.environments import sdk as sdk_python

__all__ = ["measure"]

SUBSCRIBED = 3000
UPDATES_S = 10  # of each instrument
PACKETS = 100  # a frame
CLIENTS = 10
SECONDS = 10.0
ROUNDS = 7
PASSES = 10  # over the frames, in a round: a stream goes on, and what it needs is in the caches, as in a day of ours and theirs
FASTER = 5.0
DELAY_MS = 2.0
MEMORY_MIB = 150


def measure(scratch: Path, *, quick: bool) -> Part:
    frames = 3 if quick else 100
    rounds = 1 if quick else ROUNDS
    notes: list[str] = []
    figures = []
    for mode in (Mode.DEPTH, Mode.QUOTE):
        figures += _decoding(scratch, mode, frames, rounds, notes, only_if_made=quick)
    figures += _fan_out(scratch, quick=quick)
    return Part(
        name="prices",
        title=f"Pushed prices: {SUBSCRIBED:,} instruments, {UPDATES_S} updates a second each, {CLIENTS} clients",
        figures=figures,
        notes=notes,
    )


# Reading frames


def _decoding(
    scratch: Path,
    mode: Mode,
    count: int,
    rounds: int,
    notes: list[str],
    *,
    only_if_made: bool,
) -> list[Figure]:
    kind = "full packets, ten levels" if mode is Mode.DEPTH else "quotes"
    tokens = [(1000 + n) * 256 + 1 for n in range(SUBSCRIBED)]
    frames = [bytes(f) for f in frames_of(tokens, PACKETS, count, full=mode is Mode.DEPTH)]
    passes = PASSES if rounds > 1 else 1
    ticks = count * PACKETS * passes
    ours, theirs = [], []
    try:
        python: Path | None = sdk_python("zerodha", only_if_made=only_if_made)
    except CannotInstall as reason:
        python = None
        notes.append(f"without the broker's own client: {reason}")
    stream = _codec(tokens, mode)  # one, as a connection has one all day
    _read(stream, frames, 1)
    with _sdk(python, scratch, frames, passes) as decode:
        for _ in range(rounds):
            ours.append(_read(stream, frames, passes))
            if decode is not None:
                theirs.append(decode())
    figures = [Figure(name=f"{kind}: Ordo", value=median(ours) / ticks * 1e6, unit="µs a tick")]
    if theirs:
        figures += [
            Figure(
                name=f"{kind}: KiteTicker", value=median(theirs) / ticks * 1e6, unit="µs a tick"
            ),
            Figure(
                name=f"{kind}: times as many ticks a second as KiteTicker",
                value=median(t / o for o, t in zip(ours, theirs, strict=True)),
                budget=FASTER,
                more_is_better=True,
            ),
        ]
    return figures


def _codec(tokens: Sequence[int], mode: Mode) -> Stream:
    instruments = [_share(token) for token in tokens]
    session = Session(user_id="AB1234", access_token=Secret("unused"))
    stream = ZERODHA.stream(session, suite.Listed(instruments))
    list(stream.subscribe(instruments, mode))
    return stream


def _read(stream: Stream, frames: Sequence[bytes], passes: int) -> float:
    """Seconds."""
    begun = time.perf_counter()
    for _ in range(passes):
        for frame in frames:
            stream.read(frame)
    return time.perf_counter() - begun


def _share(token: int) -> Instrument:
    name = f"S{token}"
    return Instrument(
        exchange=Exchange.NSE,
        symbol=f"NSE:{name}",
        broker_symbol=name,
        instrument_token=str(token),
        kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.05"),
        lot_size=1,
    )


@contextmanager
def _sdk(
    python: Path | None, scratch: Path, frames: Sequence[bytes], passes: int
) -> Iterator[Callable[[], float] | None]:
    """Seconds in which the broker's own client reads the frames, in a process of its own; None where it cannot be had."""
    if python is None:
        yield None
        return
    kept = scratch / "frames"
    kept.write_bytes(b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames))
    script = Path(__file__).with_name("sdk_ticker.py")
    command = [str(python), str(script), str(kept), str(passes)]
    with talking(command) as process:
        yield lambda: float(answer_to(process, ""))
    kept.unlink()


# Fan-out


def _fan_out(scratch: Path, *, quick: bool) -> list[Figure]:
    count, clients, seconds = (50, 2, 1.0) if quick else (SUBSCRIBED, CLIENTS, SECONDS)
    packets = min(PACKETS, count)
    frames_s = count * UPDATES_S // packets
    ticker = ["-m", "benchmarks.ticker", str(count), str(frames_s), str(packets)]
    with simulated() as broker, talking([sys.executable, *ticker]) as process:
        assert process.stdout is not None
        accounts = broker.account("zerodha", "crowded-zerodha")
        accounts += f'urls.ws = "ws://127.0.0.1:{int(process.stdout.readline())}"\n'
        symbols = [one.symbol for one in _listed(broker, count)]
        with running(scratch / "prices", accounts) as daemon:
            wait_for_master(daemon)
            if len(cores()) > 1:
                daemon.pin({cores()[0]})
            reading = _Readers(daemon, clients, seconds).read(symbols)
            with _stopped(daemon, symbols):
                beside = _Readers(daemon, clients, seconds).read(symbols)
            resident = daemon.rss_mib()
    return [
        Figure(name="a tick to a client, median", value=median(reading.delays), unit="ms"),
        Figure(
            name="a tick to a client, 99 of 100 within",
            value=percentile(reading.delays, 99),
            unit="ms",
            budget=DELAY_MS,
        ),
        Figure(
            name="the same beside a client that has stopped reading",
            value=percentile(beside.delays, 99),
            unit="ms",
            budget=DELAY_MS,
        ),
        Figure(name="rest: ticks that were skipped", value=reading.skipped, budget=0),
        Figure(name="messages a second, all clients", value=reading.messages / seconds),
        Figure(name="of one core, the daemon", value=reading.busy * 100, unit="%", budget=100),
        Figure(
            name="resident, 150,000 instruments listed",
            value=resident,
            unit="MiB",
            budget=MEMORY_MIB,
        ),
    ]


class _Readers:
    """Clients in a process of their own, on the other cores."""

    def __init__(self, daemon: Daemon, count: int, seconds: float) -> None:
        self._daemon = daemon
        self._seconds = seconds
        self._command = ["-m", "benchmarks.readers", str(daemon.socket), str(count), str(seconds)]
        self.delays: list[float] = []
        self.skipped = self.messages = 0
        self.busy = 0.0

    def read(self, symbols: Sequence[str]) -> "_Readers":
        with talking([sys.executable, *self._command]) as process:
            before, begun = self._daemon.cpu_s(), time.perf_counter()
            told = json.loads(answer_to(process, json.dumps(list(symbols))))
            self.busy = (self._daemon.cpu_s() - before) / (time.perf_counter() - begun)
        self.delays, self.skipped = told["delays"], told["skipped"]
        self.messages = told["messages"]
        return self


@contextmanager
def _stopped(daemon: Daemon, symbols: Sequence[str]) -> Iterator[None]:
    """A client that wants everything and reads nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(daemon.socket))
        subscribe(client, symbols)
        yield


def _listed(broker: Broker, count: int) -> list[Instrument]:
    """Options of the crowded list that the daemon will have."""
    headers = {
        "X-Kite-Version": "3",
        "Authorization": f"token {broker.session.api_key}:{broker.session.access_token.reveal()}",
    }
    with urlopen(Request(f"{broker.sim.url}/instruments", headers=headers)) as answer:  # noqa: S310 - loopback
        content = answer.read()
    listed = CROWDED.parse_master(content, datetime.now(IST).date())
    return list(islice((i for i in listed if i.kind is InstrumentKind.CALL), count))
