"""Many worlds in several processes."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from multiprocessing import get_context

from msgspec import Struct

from tests.simulation.planted import planted
from tests.simulation.world import run

__all__ = ["Found", "live"]

CHUNK = 20  # seeds a process lives before it reports


class Found(Struct):
    """A seed whose world broke an invariant."""

    seed: int
    invariant: str
    message: str


def live(seeds: range, *, jobs: int, plant: str = "") -> Iterator[tuple[list[Found], int]]:
    """The findings of these seeds, as they come, and how many worlds each report is of. Stops when nobody asks on."""
    chunks = iter(range(seeds.start, seeds.stop, CHUNK))
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        under_way: set[Future[tuple[list[Found], int]]] = set()
        try:
            while True:
                while len(under_way) < jobs * 2 and (start := next(chunks, None)) is not None:
                    part = range(start, min(start + CHUNK, seeds.stop))
                    under_way.add(pool.submit(live_here, part, plant))
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def live_here(seeds: range, plant: str = "") -> tuple[list[Found], int]:
    """In this process, to the end of the range."""
    found = []
    with planted(plant) if plant else nullcontext():
        for seed in seeds:
            world = run(seed)
            found += [Found(seed, one.invariant, str(one)) for one in world.checks.found[:1]]
    return found, len(seeds)
