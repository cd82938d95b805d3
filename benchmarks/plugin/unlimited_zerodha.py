"""Zerodha without its rate windows: a plugin that only the benchmarks load.

A real account waits for its windows, nine orders a second, and a measurement would be of that wait. The simulator is told not
to count either (`--no-limits`). Everything else is Zerodha's own adapter.
"""

from msgspec.structs import replace

from ordo_adapters.zerodha import Zerodha

__all__ = ["UNLIMITED"]


class Unlimited(Zerodha):
    spec = replace(Zerodha.spec, id="unlimited-zerodha", windows=())


UNLIMITED = Unlimited()
