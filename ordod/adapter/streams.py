"""Pushed prices and order updates: what an adapter says about its streams, without a socket.

Three things make a stream. `Adapter.connect_stream` is the dialogue that ends in the request which opens the connection;
`Adapter.stream` gives that connection's codec, whose `greet`, `subscribe`, `unsubscribe` and `keep_alive` make frames and whose
`read` makes values of frames. A codec lives as long as its connection: what a broker says once and then refers to (names of
topics, the last snapshot) it remembers, and nothing else. Where order updates come over a connection of their own,
`Adapter.connect_updates` and `Adapter.updates` are the same for it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlencode

from msgspec import Struct

from ordod.adapter.reading import BadRow
from ordod.domain.instruments import Instrument
from ordod.domain.market import DepthTick, Mode, Tick
from ordod.domain.orders import BrokerOrder, Fill

__all__ = [
    "Frame",
    "Notice",
    "Pushed",
    "Reply",
    "Stream",
    "StreamLimits",
    "StreamRequest",
    "UpdateLimits",
    "UpdateStream",
]

Frame: TypeAlias = bytes | str  # a binary or a text message, whole


class StreamRequest(Struct, frozen=True):
    """What opens a websocket: a name in `spec.hosts`, and what stands behind that host's address.

    Args:
        host: a name in `spec.hosts`; or, where the broker itself named the whole address in an answer, that (`wss://...`).
        query: pairs, in order; tokens may stand there, so that no address is ever logged.
    """

    host: str
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def target(self) -> str:
        """Path and query as they stand behind the host's address."""
        path = quote(self.path, safe="/:@!$&'()*+,;=-._~%")
        return f"{path}?{urlencode(self.query)}" if self.query else path


class StreamLimits(Struct, frozen=True, kw_only=True):
    """What a broker allows, and how its silence is told.

    Args:
        instruments: of one connection.
        connections: of one session.
        frame_instruments: of one subscribing frame.
        silence_s: a living connection brings some frame within this time at any hour, a heartbeat at least; None: it may be
            silent.
        keep_alive_s: the broker wants a word of ours (`Stream.keep_alive`) this often; None: never.
        has_orders: order updates come over it too, whether prices are subscribed or not.
    """

    instruments: int
    connections: int
    frame_instruments: int
    silence_s: float | None = None
    keep_alive_s: float | None = None
    has_orders: bool = False


class UpdateLimits(Struct, frozen=True, kw_only=True):
    """Of a connection that brings order updates alone; as in `StreamLimits`."""

    silence_s: float | None = None
    keep_alive_s: float | None = None


class Notice(Struct, frozen=True):
    """The broker's words to a person."""

    message: str
    is_error: bool = False


class Reply(Struct, frozen=True):
    """A frame that the broker waits for: it goes out at once."""

    frame: Frame


Pushed: TypeAlias = Tick | DepthTick | BrokerOrder | Fill | Notice | Reply | BadRow
"""What a frame holds. A part that cannot be read is a BadRow; the parts around it are good."""


class UpdateStream(Protocol):
    """The codec of one connection that brings order updates. To be derived from: most brokers want no greeting."""

    def greet(self) -> Iterable[Frame]:
        """What is said first, as soon as the connection is open."""
        return ()

    def keep_alive(self) -> Frame:
        """What is said every `keep_alive_s`."""
        return ""

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """Nothing for a heartbeat.

        Raises:
            BrokerError: UNREADABLE, for a frame that is no frame: it is counted, and the connection goes on. Any other fault
                ends the connection; AUTH_EXPIRED makes the session be looked at before the next.
        """
        ...


class Stream(UpdateStream, Protocol):
    """The codec of one connection for prices. Instruments are named by `Instrument`; what was not subscribed is not read."""

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """The frames after which these are pushed in this mode, whatever was pushed of them before."""
        ...

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]: ...
