"""A stream of Kite's as busy as one likes: `python -m benchmarks.ticker INSTRUMENTS FRAMES_PER_S PACKETS`.

Writes its port; waits until so many instruments are subscribed, in quote mode; then sends frames at even distances for as long as
its standard input is open. The volume of each packet is the time it was sent, microseconds of the monotonic clock, in 32 bits.
"""

import asyncio
import json
import random
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

__all__ = ["frames_of", "stamp"]

QUOTE = struct.Struct(">H11I")
LEVELS = struct.Struct(">5I" + "IIHxx" * 10)
VOLUME_AT = 2 + 4 * 4  # in a packet with its length


def frames_of(tokens: Sequence[int], packets: int, count: int, *, full: bool) -> list[bytearray]:
    """Frames in which these instruments take turns; prices wander a tick at a time."""
    chance = random.Random(7)  # noqa: S311 - the same prices each time
    prices = {token: chance.randrange(2_000, 100_000) * 5 for token in tokens}
    days = {t: (p - 500, p + 700, p - 900, p - 50) for t, p in prices.items()}
    order = [tokens[n % len(tokens)] for n in range(packets * count)]
    frames = []
    for at in range(0, len(order), packets):
        frame = bytearray(packets.to_bytes(2, "big"))
        for token in order[at : at + packets]:
            price = prices[token] = prices[token] + 5 * chance.randint(-2, 2)
            day = (price - price % 50, chance.randrange(10**7), 80_000, 75_000, *days[token])
            frame += QUOTE.pack(184 if full else 44, token, price, 10, *day)
            if full:
                frame += _levels(price, chance)
        frames.append(frame)
    return frames


def _levels(price: int, chance: random.Random) -> bytes:
    rows: list[int] = []
    for step in range(10):
        away = 5 * (step + 1) if step < 5 else -5 * (step - 4)
        rows += (chance.randrange(1, 5000), price - away, 3)
    return LEVELS.pack(1_764_140_000, 5, 6, 7, 1_764_140_000, *rows)


def stamp(frame: bytearray) -> None:
    """Write the time into each of a quote frame's packets."""
    now = (time.monotonic_ns() // 1000 & 0xFFFFFFFF).to_bytes(4, "big")
    for at in range(2 + VOLUME_AT, len(frame), QUOTE.size):
        frame[at : at + 4] = now


async def _push(socket: ServerConnection, instruments: int, rate: int, packets: int) -> None:
    tokens: set[int] = set()
    while len(tokens) < instruments:
        said = json.loads(await socket.recv())
        if said["a"] == "subscribe":
            tokens |= set(said["v"])
    frames = frames_of(sorted(tokens), packets, max(1, 3 * instruments // packets), full=False)
    due = time.monotonic()
    while True:
        for frame in frames:
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            stamp(frame)
            await socket.send(bytes(frame))


async def _main(instruments: int, rate: int, packets: int) -> None:
    async def client(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await _push(socket, instruments, rate, packets)

    async with serve(client, "127.0.0.1", 0, compression=None) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
