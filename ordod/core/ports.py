"""The seam: everything the core takes from outside. io fulfils these for real, the simulation from one seed.

Timers in the core are anyio's; `Clock` gives wall time and boot time. Nothing else in the core touches clocks, chance,
files, sockets, signals or threads (a test reads every import).
"""

from collections.abc import Callable, MutableSequence
from datetime import date, datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from ordod.adapter import (
    Adapter,
    BrokerSpec,
    Frame,
    HttpRequest,
    HttpResponse,
    Instruments,
    StreamRequest,
)
from ordod.domain.alerts import Alert
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind

__all__ = [
    "Admit",
    "AppendFile",
    "Brokers",
    "Clock",
    "Disk",
    "DiskError",
    "Feed",
    "FeedLost",
    "Feeds",
    "Identity",
    "Line",
    "LineSettings",
    "Lost",
    "Master",
    "NotAdmitted",
    "Ports",
    "Random",
    "Receiver",
    "Signals",
    "Tables",
    "Undelivered",
    "Unsent",
    "Vault",
]


T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall time in IST, aware. May step; serves to tell people and brokers the time, never to measure."""
        ...

    def boot(self) -> float:
        """Seconds since boot, the time a machine was suspended included. Deadlines and horizons are reckoned in it."""
        ...


class Random(Protocol):
    def token(self, count: int) -> bytes: ...


# Disk


class DiskError(Exception):
    """A write, a sync or a change of a file failed or was cut short. Final: what it was about is not on disk."""


class Identity(Struct, frozen=True):
    """Which state directory of which machine this is. `filesystem`: `ext4`, `tmpfs`, ..."""

    machine: str
    inode: int
    filesystem: str


class AppendFile(Protocol):
    """A file that grows at its end. One append at a time; the caller sees to that."""

    async def append(self, data: bytes) -> None:
        """Durable when it returns: written whole and synced. Raises DiskError; then the file is not used again.

        Runs in the one writer thread, so a hanging disk stops neither the loop nor a cancel. If the waiting task is
        cancelled, the write still happens.
        """
        ...

    def write(self, data: bytes) -> None:
        """Handed to the system, not synced: it survives the death of the process, not of the machine."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    """The state directory. Paths are relative to it. Reads are synchronous and serve start-up and offline commands."""

    def identity(self) -> Identity: ...

    def names(self, folder: str) -> list[str]:
        """The files of a folder, sorted; empty where there is no such folder."""
        ...

    def size(self, path: str) -> int: ...

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """Raises FileNotFoundError, DiskError."""
        ...

    async def create(self, path: str, *, reserve: int = 0) -> AppendFile:
        """A new empty file, it and its folder synced. `reserve` bytes are kept for it without changing its size."""
        ...

    def reopen(self, path: str) -> AppendFile: ...

    async def replace(self, path: str, data: bytes) -> None:
        """The whole file anew, atomically and durably. Not in the writer thread: it works beside a hanging append."""
        ...

    async def truncate(self, path: str, size: int) -> None: ...

    async def aside(self, job: Callable[[], T]) -> T:
        """What `job` returns: long reading and reckoning, in a thread of its own. Changes nothing of what others use."""
        ...

    async def remove(self, path: str) -> None: ...

    async def free_bytes(self) -> int:
        """What may still be written to its file system. Raises DiskError; waits as long as a hanging disk does."""
        ...

    def gate(self) -> MutableSequence[int]:
        """The bytes of `kill.gate`, mapped shared: a store is seen at once and survives the process. Never truncated."""
        ...

    async def flush_gate(self) -> None:
        """The mapped gate is on disk when this returns."""
        ...


# Brokers


class NotAdmitted(Exception):  # noqa: N818 - an outcome, not an error
    """What `admit` raises to hold a request back; passes through `Line.send` unchanged."""


class Unsent(Exception):  # noqa: N818 - an outcome, not an error
    """Not one byte of the request was handed to a socket: no connection could be had before the deadline."""


class Lost(Exception):  # noqa: N818 - an outcome, not an error
    """Bytes were handed over and no whole answer came. The request may have been carried out, or may yet be.

    Args:
        died_at: boot time of the death of its connection: from then on the kernel sends no more of it.
    """

    def __init__(self, message: str, died_at: float) -> None:
        super().__init__(message)
        self.died_at = died_at


Admit = Callable[[], None]


class Line(Protocol):
    """One account's way to its broker: a pool of warm connections from its own source address. Sends once, never again."""

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        """One request, one answer, whatever its status.

        Args:
            deadline: boot time until which a connection is waited for. Once bytes are handed over the answer has 7 s; one
                that neither `writes` nor has an `admit`, and whose head came in these, has 60 s for its body (instrument
                files).
            admit: called before every hand-over of bytes with no await between; what it raises holds them back. If that
                happens after the first byte, the connection is reset and the request is Lost.
        Raises:
            Unsent, Lost, NotAdmitted (as `admit` raised it).
        """
        ...

    async def warm(self) -> None:
        """Have a connection ready, so that the next request pays no handshake. Never raises.

        A connection is kept for 45 s of silence: call it every 20 s while orders may come.
        """
        ...

    def reset_writes(self) -> int:
        """Reset every connection with an unanswered request that was sent with `admit`; how many there were."""
        ...

    async def aclose(self) -> None: ...


class LineSettings(Struct, frozen=True, kw_only=True):
    """Where an account's requests go and come from. `urls`: host name -> base URL, complete."""

    account: str
    urls: dict[str, str]
    source_address: str | None = None


class Brokers(Protocol):
    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line: ...


class FeedLost(Exception):  # noqa: N818 - an outcome, not an error
    """A feed ended, or could not be opened. `status`: what the broker answered instead of opening it."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Feed(Protocol):
    """One open connection over which a broker pushes."""

    async def send(self, frame: Frame) -> None:
        """Raises FeedLost."""
        ...

    async def receive(self) -> Frame:
        """The next frame, whole, whenever it comes; one caller at a time. Raises FeedLost."""
        ...

    async def aclose(self) -> None:
        """Never raises, and takes a second at most."""
        ...


class Feeds(Protocol):
    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        """A new connection, within 10 s. No proxies, no redirects, no second try. Raises FeedLost."""
        ...


# Receivers of alerts


class Undelivered(Exception):  # noqa: N818 - an outcome, not an error
    """A receiver did not take an alert. The message tells no secret.

    Args:
        is_final: it would not take it the next time either.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Receiver(Protocol):
    """Somebody who is told: an address, or a command."""

    async def prepare(self) -> None:
        """Have everything at hand that comes from the disk: it may be gone when there is something to tell. Never raises."""
        ...

    async def send(self, alert: Alert) -> None:
        """Once, within `[alerts]`' limit of time; whatever it answers is bounded. Raises Undelivered."""
        ...

    async def aclose(self) -> None:
        """Never raises, and waits for nothing."""
        ...


# Signals, tables, sessions that are kept


class Signals(Protocol):
    def on_kill(self, react: Callable[[], None]) -> None:
        """`react` is called in the loop after SIGUSR1; the gate was closed by the handler itself before."""
        ...

    def on_stop(self, react: Callable[[], None]) -> None:
        """SIGTERM, SIGINT."""
        ...


class Master(Instruments, Protocol):
    """One broker's instruments, looked up by key in microseconds.

    Attributes:
        edition: another number whenever other instruments serve than before, of the same day too.
    """

    edition: int

    @property
    def loaded_on(self) -> date | None:
        """The day whose master serves; None: none yet."""
        ...

    def find(self, symbol: str) -> Instrument | None:
        """By Ordo's whole name, or by the broker's own behind the exchange where it names exactly one."""
        ...

    def candidates(self, symbol: str) -> list[Instrument]:
        """Every contract that this name may stand for; where there is more than one, `find` finds none."""
        ...

    @property
    def ambiguous(self) -> list[str]:
        """Some names that stand for more than one contract of this master."""
        ...

    def by_isin(self, exchange: Exchange, isin: str) -> list[Instrument]:
        """What is listed of this security there, under whatever name, where the master tells ISINs."""
        ...

    def closest(self, symbol: str) -> list[str]:
        """Up to five names one may have meant."""
        ...

    def expiries(self, exchange: Exchange, name: str) -> list[tuple[date, InstrumentKind]]:
        """When contracts on the underlying of this name end, each kind for itself; the nearest first."""
        ...

    def contracts(self, exchange: Exchange, name: str, expiry: date) -> list[Instrument]:
        """The futures and options on the underlying of this name that end on this day."""
        ...

    async def search(self, text: str, limit: int = 20) -> list[Instrument]:
        """Contracts whose name or symbol has these words or begins with them. In a worker."""
        ...


class Tables(Protocol):
    def master(self, broker: str) -> Master: ...

    async def load(self, broker: str, adapter: Adapter, content: bytes, on: date) -> int:
        """Read a master file in a worker and let it serve; the number of instruments. The old one serves until it is whole."""
        ...


class Vault(Protocol):
    """Keeps sessions over a restart, encrypted. What it cannot keep is logged in anew: nothing here raises."""

    async def find(self, account: str) -> bytes | None: ...

    async def keep(self, account: str, content: bytes | None) -> None:
        """None: forget it."""
        ...


class Ports(Struct, frozen=True):
    """All of it, handed to `app.build`. Without a `vault` a session does not outlive the daemon; without `feeds` no prices are
    pushed."""

    clock: Clock
    random: Random
    disk: Disk
    brokers: Brokers
    signals: Signals
    tables: Tables
    vault: Vault | None = None
    feeds: Feeds | None = None
