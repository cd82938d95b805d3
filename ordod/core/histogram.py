"""How often a figure lay within which bounds: what a scrape tells of things too many to tell one by one."""

from bisect import bisect_left

__all__ = ["LONG_S", "SHORT_S", "Histogram"]

# Seconds. A sync takes 0.2 ms on a good disk and a call to a broker is given up after 7 s.
SHORT_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
LONG_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Histogram:
    """`counts`: of each of `bounds`, those within it and past the one before; last, those past all. `sum`: of all figures."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = SHORT_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
