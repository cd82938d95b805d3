"""Whole lives of a journal on a tearing disk, from a seed: writes, power cuts at any operation, starts, again and again."""

import random
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from ordod.core.orders.checking import verify
from ordod.core.orders.journal import Journal, JournalFailed
from ordod.core.orders.opening import open_journal
from ordod.core.orders.records import Entry, Note
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import SeededRandom, SetClock

LIVES = 4


class World:
    """One seed's disk and what was told, over several lives of the daemon."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.disk = TearingDisk(seed)
        self.told: list[Entry] = []

    async def life(self, number: int) -> None:
        """A start, some writing, and the death of process or machine in the midst of some operation."""
        applied: list[Entry] = []
        image: list[TearingDisk] = []
        told = list(self.told)
        dies_at = self.disk.operations + self.chance.randint(1, 40)
        disk = self.disk

        def latency() -> float:
            if disk.operations >= dies_at and not image:
                image.append(disk.crash(power=self.chance.random() < 0.8))
                self.told = list(told)
            return 0.0

        disk.latency = latency
        journal = await open_journal(
            disk, SetClock(), SeededRandom(number), apply=applied.append, load=lambda _: None
        )
        by_seq = {entry.seq: entry for entry in applied}
        assert all(by_seq.get(entry.seq) == entry for entry in told)
        assert journal.reasons_behind == []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.run)
            while not image:
                for _ in range(self.chance.randint(1, 4)):
                    tasks.start_soon(self.client, journal, told)
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        self.disk = image[0]

    async def client(self, journal: Journal, told: list[Entry]) -> None:
        length = self.chance.choice((3, 3, 3, 900))
        notes = [Note(text="x" * length) for _ in range(self.chance.randint(1, 4))]
        with suppress(JournalFailed):
            await journal.write(*notes, then=told.extend).durable()


async def live(seeds: range) -> None:
    told = torn = 0
    for seed in seeds:
        world = World(seed)
        for number in range(LIVES):
            await world.life(number)
        report = verify(world.disk)
        assert report.is_good, f"seed {seed}"
        told += len(world.told)
        torn += report.torn is not None

    assert told > 10 * len(seeds)
    assert torn > len(seeds) // 10


async def test_what_was_told_survives_every_crash() -> None:
    await live(range(60))


@pytest.mark.slow
async def test_what_was_told_survives_every_crash_of_many() -> None:
    await live(range(60, 5000))
