"""The broker's own streaming client, timing its own decoding. Runs in the SDK's environment: `sdk_ticker.py FILE PASSES`.

The file holds frames, each behind its length (four bytes). For each line on standard input it decodes them all so many times, and writes
the seconds.
"""

import sys
import time
from pathlib import Path

from kiteconnect import KiteTicker  # type: ignore[import-not-found, unused-ignore]


def main() -> None:
    content = Path(sys.argv[1]).read_bytes()
    frames, at = [], 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        frames.append(content[at + 4 : end])
        at = end
    decode = KiteTicker("key", "token")._parse_binary
    for _ in sys.stdin:
        begun = time.perf_counter()
        for _ in range(int(sys.argv[2])):
            for frame in frames:
                decode(frame)
        sys.stdout.write(f"{time.perf_counter() - begun}\n")
        sys.stdout.flush()


main()
