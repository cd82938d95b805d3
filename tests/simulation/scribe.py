"""Journals written by hand, batch by batch, so that a test knows where each batch and each line stands."""

from datetime import datetime, timedelta

from msgspec import Struct

from ordod.core.orders.format import Codec, body
from ordod.core.orders.records import FORMAT, Note, Open, Record, Seal
from ordod.core.orders.segments import path_of
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import IST


class Written(Struct, frozen=True):
    """One line: where it stands (its newline included) and which batch it belongs to."""

    path: str
    begin: int
    end: int
    seq: int
    batch: int
    kind: str


class Scribe:
    """Writes as the daemon does, on a disk in memory. `frozen`: all batches carry the same time."""

    def __init__(
        self,
        disk: TearingDisk,
        *,
        key: bytes | None = None,
        frozen: bool = False,
        epoch: str = "e1",
    ) -> None:
        self.disk = disk
        self.lines: list[Written] = []
        self.head = (0, "")
        self.hashes: dict[int, str] = {0: ""}
        self._codec = Codec(key)
        self._batch = 0
        self._frozen = frozen
        self._epoch = epoch
        self._at = datetime(2026, 11, 23, 9, 15, tzinfo=IST)
        self._path = ""

    def segment(
        self, *, behind: tuple[str, ...] = (), form: int = FORMAT, version: str = ""
    ) -> "Scribe":
        """A new file and its `open`."""
        self._path = path_of(self.head[0] + 1)
        self.disk.put(self._path, b"")
        return self.batch(
            Open(
                format=form,
                epoch=self._epoch,
                machine=self.disk.machine,
                inode=self.disk.inode,
                installation="i1",
                version=version,
                previous=self.head[1],
                behind=behind,
            )
        )

    def notes(self, *counts: int) -> "Scribe":
        """A batch of so many notes for each count."""
        for count in counts:
            first = self.head[0] + 1
            self.batch(*(Note(text=f"n{first + n}") for n in range(count)))
        return self

    def seal(self) -> "Scribe":
        return self.batch(Seal())

    def batch(self, *records: Record) -> "Scribe":
        self._batch += 1
        if not self._frozen:
            self._at += timedelta(milliseconds=7)
        for record in records:
            seq, previous = self.head
            data, digest = self._codec.lines(
                [body(record)], seq=seq + 1, batch=self._batch, at=self._at, previous=previous
            )
            before = self.disk.read(self._path)
            self.disk.put(self._path, before + data)
            kind = str(record.__struct_config__.tag)
            end = len(before) + len(data)
            self.lines.append(Written(self._path, len(before), end, seq + 1, self._batch, kind))
            self.head = (seq + 1, digest)
            self.hashes[seq + 1] = digest
        return self

    def line(self, seq: int) -> Written:
        return self.lines[seq - 1]
