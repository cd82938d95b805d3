"""What a broker pushes, and trouble on the way: frames that are cut, doubled, swapped, missing; lines that break or are refused.

A broker's package makes a `SimFeed` for each client that its `open_feed` lets in: pure, in the broker's own frames. The server
puts it on a socket (`websocket.py`), looks at it whenever the market moved, and spoils what it says here.
"""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

__all__ = ["FeedFault", "FeedFaultKind", "FeedFaults", "Frame", "SimFeed"]

Frame: TypeAlias = bytes | str


class FeedFaultKind(StrEnum):
    CUT = "cut"  # the next binary frames arrive by half
    DUPLICATE = "duplicate"  # the next frames arrive twice
    REORDER = "reorder"  # the next frame arrives behind the one after it
    SILENCE = (
        "silence"  # for `seconds` nothing comes, no heartbeat either; the connection stays open
    )
    DISCONNECT = "disconnect"  # every open connection breaks off, now
    REFUSE = "refuse"  # the next clients are not let in, as with a dead session


class FeedFault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`times`: how many frames, or clients, it befalls."""

    kind: FeedFaultKind
    times: int = 1
    seconds: float = 0


class SimFeed(ABC):
    """One client's stream."""

    @abstractmethod
    def received(self, frame: Frame, now: datetime) -> None:
        """What the client said. Never raises for what a client can say."""

    @abstractmethod
    def frames(self, now: datetime) -> list[Frame]:
        """What there is to say since the last look."""

    @abstractmethod
    def is_over(self, now: datetime) -> bool:
        """The broker ends it: its session is dead."""


class FeedFaults:
    """The trouble that waits for all of a broker's streams."""

    def __init__(self) -> None:
        self._left: dict[FeedFaultKind, int] = {}
        self._held: list[Frame] = []
        self._silent_until: datetime | None = None
        self.breaks = 0  # how often every open connection was to break off

    def add(self, fault: FeedFault, now: datetime) -> None:
        if fault.kind is FeedFaultKind.SILENCE:
            self._silent_until = now + timedelta(seconds=fault.seconds)
        elif fault.kind is FeedFaultKind.DISCONNECT:
            self.breaks += 1
        else:
            self._left[fault.kind] = self._left.get(fault.kind, 0) + fault.times

    def refuses(self) -> bool:
        """Whether the client that asks now is not let in."""
        return self._takes(FeedFaultKind.REFUSE)

    def spoiled(self, frames: list[Frame], now: datetime) -> list[Frame]:
        """What becomes of these frames."""
        if self._silent_until is not None and now < self._silent_until:
            return []
        told: list[Frame] = []
        for frame in frames:
            if isinstance(frame, bytes) and len(frame) > 1 and self._takes(FeedFaultKind.CUT):
                told.append(frame[: len(frame) // 2])
            elif self._takes(FeedFaultKind.DUPLICATE):
                told += [frame, frame]
            elif self._takes(FeedFaultKind.REORDER):
                self._held.append(frame)
            else:
                told += [frame, *self._held]
                self._held.clear()
        return told

    def _takes(self, kind: FeedFaultKind) -> bool:
        left = self._left.get(kind, 0)
        if left:
            self._left[kind] = left - 1
        return left > 0
