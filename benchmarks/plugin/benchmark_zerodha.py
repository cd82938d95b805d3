"""Zerodha as the benchmarks need it: plugins that only they load. Everything else is Zerodha's own adapter.

`unlimited-zerodha` has no rate windows: a real account waits for them, nine orders a second, and a measurement would be of that
wait. (The simulator is told not to count either, `--no-limits`.) `crowded-zerodha` has more instruments than the exchanges
list; the simulator has a few dozen. `small-zerodha` is both.
"""

from collections.abc import Iterable
from datetime import date

from msgspec.structs import replace

from ordo_adapters.zerodha import Zerodha
from ordod.adapter import Instrument

__all__ = ["CROWDED", "SMALL", "UNLIMITED"]

INSTRUMENTS = 150_000


class Unlimited(Zerodha):
    spec = replace(Zerodha.spec, id="unlimited-zerodha", windows=())


class Crowded(Zerodha):
    spec = replace(Zerodha.spec, id="crowded-zerodha")

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The file's own rows, and its options again under other strikes until there are enough."""
        return super().parse_master(_crowded(content), on)


class Small(Crowded):
    spec = replace(Zerodha.spec, id="small-zerodha", windows=())


def _crowded(content: bytes) -> bytes:
    header, *rows = content.decode().splitlines()
    columns = header.split(",")
    token, theirs, strike = (
        columns.index(c) for c in ("instrument_token", "tradingsymbol", "strike")
    )
    options = [
        row.split(",") for row in rows if row.split(",")[columns.index("instrument_type")] == "CE"
    ]
    made = bytearray(content)  # the measured daemon makes it: no list of all its lines
    for number in range(INSTRUMENTS - len(rows)):
        cells = list(options[number % len(options)])
        cells[token] = str(100_000_000 + number)
        cells[theirs] = f"{cells[theirs]}{number}"
        cells[strike] = str(100_000 + number)
        made += f"{','.join(cells)}\n".encode()
    return bytes(made)


UNLIMITED = Unlimited()
CROWDED = Crowded()
SMALL = Small()
