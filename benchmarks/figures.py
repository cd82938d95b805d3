"""What a benchmark gives: figures with their budgets, and words about them."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

from msgspec import Struct

__all__ = ["Figure", "Part", "Verdict", "micros", "percentile"]


class Verdict(StrEnum):
    """What the budget says of a figure."""

    AIM = "aim"
    KEPT = "kept"
    MISSED = "missed"
    NONE = ""


class Figure(Struct, frozen=True, kw_only=True):
    """One number. `budget` is what it may be at most (at least, where `more_is_better`); `aim` what it should come to."""

    name: str
    value: float
    unit: str = ""
    budget: float | None = None
    aim: float | None = None
    more_is_better: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.aim is not None and self._reaches(self.aim):
            return Verdict.AIM
        if self.budget is None:
            return Verdict.NONE
        return Verdict.KEPT if self._reaches(self.budget) else Verdict.MISSED

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.more_is_better else self.value <= limit


class Part(Struct, frozen=True, kw_only=True):
    """One benchmark's figures. `notes`: how to read them, or why some are missing."""

    name: str
    title: str
    figures: list[Figure]
    notes: list[str] = []


def micros(seconds: Sequence[float]) -> float:
    """The median, in microseconds."""
    return median(seconds) * 1e6


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
