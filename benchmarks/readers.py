"""Clients that are pushed prices and read them, as a process: `python -m benchmarks.readers SOCKET CLIENTS SECONDS`.

Reads the symbols, a JSON list, from standard input; writes one JSON object: what the first client saw of delays (milliseconds, from
the time in a packet to the client), the messages and what was skipped of all.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Sequence

__all__ = ["subscribe"]

VOLUME = re.compile(rb'"volume":(\d+)')
SKIPPED = re.compile(rb'"skipped":(\d+)')
SYMBOLS_MAX = 1000  # of one subscription
WARM_S = 3.0


def subscribe(client: socket.socket, symbols: Sequence[str]) -> None:
    for at in range(0, len(symbols), SYMBOLS_MAX):
        params = {"topics": ["ticks"], "symbols": symbols[at : at + SYMBOLS_MAX]}
        asked = {"jsonrpc": "2.0", "id": at, "method": "events.subscribe", "params": params}
        client.sendall(json.dumps(asked).encode() + b"\n")


def main(path: str, count: int, seconds: float) -> None:
    symbols = json.loads(sys.stdin.readline())
    chosen = selectors.DefaultSelector()
    for number in range(count):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(path)
        subscribe(client, symbols)
        client.setblocking(False)
        chosen.register(client, selectors.EVENT_READ, number)
    began = time.monotonic()
    delays: list[float] = []
    rest: dict[int, bytes] = {}
    skipped = messages = 0
    while (now := time.monotonic()) < began + WARM_S + seconds:
        for key, _ in chosen.select(0.1):
            assert isinstance(key.fileobj, socket.socket)
            came = key.fileobj.recv(1 << 20)
            arrived = time.monotonic_ns() // 1000
            lines = (rest.get(key.data, b"") + came).split(b"\n")
            rest[key.data] = lines.pop()
            if now < began + WARM_S:
                continue
            for line in lines:
                messages += 1
                skipped += int(found[1]) if (found := SKIPPED.search(line, 0, 300)) else 0
                if key.data == 0 and (sent := VOLUME.search(line)):
                    delays.append((arrived - int(sent[1]) & 0xFFFFFFFF) / 1000)
    json.dump({"delays": delays, "messages": messages, "skipped": skipped}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
