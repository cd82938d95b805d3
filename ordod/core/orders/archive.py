"""Final orders of past days: asked for now and then, never changed.

A bot with five thousand orders a day has a hundred thousand within the thirty days that they are kept, and its keys are kept
for good. As objects they took gigabytes and seconds of each start. So orders lie in compressed blocks of a few, and a row of
twenty bytes finds one: the hash of its key, or of its id, and its number. A snapshot takes blocks and rows as they are.

Rows of a snapshot stand sorted in one piece of bytes and are found by halving; those added since are in a dict until the next.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b

import msgspec
from msgspec import Struct

from ordod.core.orders.states import OrderState

__all__ = ["Archive", "ArchiveDump"]

BLOCK_ORDERS = (
    32  # some 24 KB: compressed in a third of a millisecond, for the kill signal waits for that
)
DIGEST = 16  # 128 bits: two keys of one digest are not to be expected in any life
NUMBER = 4
ROW = DIGEST + NUMBER


class ArchiveDump(Struct):
    """What a snapshot holds. `blocks`: the latest change of its orders, and they; empty when only the keys are kept."""

    keys: bytes = b""
    ids: bytes = b""
    blocks: list[tuple[datetime, bytes]] = []


class Archive:
    """Orders by key and by id."""

    def __init__(self, dump: ArchiveDump | None = None) -> None:
        dump = dump or ArchiveDump()
        self._keys = _Rows(dump.keys)
        self._ids = _Rows(dump.ids)
        self._blocks = dump.blocks

    def add(self, orders: Iterable[OrderState]) -> None:
        """Orders whose keys are theirs for good."""
        whole = list(orders)
        for start in range(0, len(whole), BLOCK_ORDERS):
            block = whole[start : start + BLOCK_ORDERS]
            first = len(self._blocks) * BLOCK_ORDERS
            for number, order in enumerate(block, first):
                assert order.key is not None
                self._keys.add(_of_key(order.user, order.key), number)
                self._ids.add(_digest(order.id), number)
            packed = zlib.compress(msgspec.msgpack.encode(block), 1)
            self._blocks.append((max(order.updated_at for order in block), packed))

    def forget(self, before: datetime) -> None:
        """Of orders that were last touched before this time only the keys stay."""
        for place, (at, packed) in enumerate(self._blocks):
            if packed and at < before:
                self._blocks[place] = (at, b"")

    def holds_key(self, user: str, key: str) -> bool:
        return self._keys.find(_of_key(user, key)) is not None

    def by_key(self, user: str, key: str) -> OrderState | None:
        """None also where only the key is known still."""
        return self._order(self._keys.find(_of_key(user, key)))

    def by_id(self, order_id: str) -> OrderState | None:
        return self._order(self._ids.find(_digest(order_id)))

    def dump(self) -> ArchiveDump:
        return ArchiveDump(self._keys.packed(), self._ids.packed(), self._blocks)

    def _order(self, number: int | None) -> OrderState | None:
        if number is None:
            return None
        place, offset = divmod(number, BLOCK_ORDERS)
        _, packed = self._blocks[place]
        if not packed:
            return None
        orders = msgspec.msgpack.decode(zlib.decompress(packed), type=list[OrderState])
        return orders[offset]


class _Rows:
    """Digest -> number."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._fresh: dict[bytes, int] = {}

    def add(self, digest: bytes, number: int) -> None:
        self._fresh[digest] = number

    def find(self, digest: bytes) -> int | None:
        number = self._fresh.get(digest)
        if number is not None:
            return number
        packed = self._packed
        count = len(packed) // ROW
        place = bisect_left(
            range(count), digest, key=lambda row: packed[row * ROW : row * ROW + DIGEST]
        )
        row = packed[place * ROW : (place + 1) * ROW]
        return int.from_bytes(row[DIGEST:]) if row[:DIGEST] == digest else None

    def packed(self) -> bytes:
        """All rows, sorted, in one piece."""
        if self._fresh:
            old = self._packed
            rows = [old[start : start + ROW] for start in range(0, len(old), ROW)]
            rows += [digest + number.to_bytes(NUMBER) for digest, number in self._fresh.items()]
            self._packed = b"".join(sorted(rows))
            self._fresh.clear()
        return self._packed


def _of_key(user: str, key: str) -> bytes:
    return _digest(f"{user}\x1f{key}")


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=DIGEST).digest()
