"""`python -m benchmarks.endurance`: orders through a daemon that is killed again and again, at a broker that loses answers.

Real processes: the daemon, the simulated broker, and clients that keep the one rule there is for bots: send the same key until
there is a result, `new_key` or `never`. A quarter of the broker's answers is lost, half of these before the order was made. When
every key has an answer the faults and the killing stop, every doubt must end, and what the broker has is compared with what
the clients were told and with the journal.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from msgspec import Struct

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import Daemon, Refused, ended, until, zerodha

__all__ = ["Figures", "endure"]

CLIENTS = (
    6  # in flight at a time: what SIGKILL finds in the queue is in doubt, though it was never sent
)
LIFE_S = (0.5, 5.0)  # of a daemon, its start included: some die before they are ready
SETTLED_WITHIN_S = 120.0
PAUSE_S = 0.05  # of a client between two tries
PLACED = frozenset({"PENDING", "OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "EXPIRED"})


class Figures(Struct, frozen=True, kw_only=True):
    """What happened, and (`wrong`) what must not.

    Args:
        tries: calls of the clients, those that ended with their connection too.
        lost: answers to orders that the broker lost.
        doubts: orders that were in doubt at some time.
        longest_doubt_s: from the doubt's record to the one that ended it.
        wrong: one line for each broken promise; empty where all held.
    """

    keys: int
    seconds: float
    kills: int
    tries: int
    lost: int
    doubts: int
    longest_doubt_s: float
    placed: int
    not_placed: int
    records: int
    wrong: tuple[str, ...]

    def text(self) -> str:
        rows = [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "wrong"]
        lines = [f"{name:16} {value:g}" for name, value in rows]
        return "\n".join([*lines, *(self.wrong or ["every promise held"])])


class _Bot:
    """All clients together: what each key was told, in order."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.tries = 0
        self.told: dict[str, list[str]] = {}

    def insist(self, key: str) -> None:
        """The same key until there is an answer that ends it."""
        told = self.told.setdefault(key, [])
        while True:
            self.tries += 1
            try:
                told.append(str(self._daemon.place(key)["order"]["status"]))
            except Refused as refused:
                if refused.retry == "same_key":
                    time.sleep(PAUSE_S)
                    continue
                told.append(f"{refused.kind} {refused.retry}")
            except OSError:
                time.sleep(PAUSE_S)
                continue
            return


@contextmanager
def _killed_again_and_again(daemon: Daemon, chance: random.Random) -> Iterator[list[float]]:
    """SIGKILL and a new start until the block ends; the times of the kills."""
    kills: list[float] = []
    enough = Event()

    def reap() -> None:
        while not enough.wait(chance.uniform(*LIFE_S)):
            daemon.kill()
            kills.append(time.monotonic())
            daemon.start()

    reaper = Thread(target=reap)
    reaper.start()
    try:
        yield kills
    finally:
        enough.set()
        reaper.join()


def endure(keys: int, *, loss: float = 0.25, seed: int = 0) -> Figures:
    """Place so many orders through all of it.

    Args:
        loss: the share of the broker's answers to orders that is lost.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    began = time.monotonic()
    with TemporaryDirectory(prefix="ordod-") as folder, running("--no-limits") as sim:
        daemon = Daemon(Path(folder), zerodha(sim))
        with ended([daemon]):
            daemon.ready()
            bot = _Bot(daemon)
            sim.chance(f"lose={loss}:POST:/orders")
            names = [f"k{n}" for n in range(keys)]
            killed = _killed_again_and_again(daemon, chance)
            with killed as kills, ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(bot.insist, names))
            sim.call("DELETE", "faults")
            daemon.wait_ready()
            _settle(daemon)
            for name in names:
                bot.told[name].append(str(daemon.get(name)["status"]))
            daemon.kill()
            return _figures(daemon, sim, bot, kills, time.monotonic() - began)


def _settle(daemon: Daemon) -> None:
    until(lambda: not daemon.call("system.status")["doubts"], SETTLED_WITHIN_S)


def _figures(
    daemon: Daemon, sim: SimProcess, bot: _Bot, kills: list[float], seconds: float
) -> Figures:
    journal = daemon.journal()
    report = daemon.verified()
    keys_of: dict[str, str] = {}
    tags: dict[str, set[str]] = {}
    for record in journal:
        if record["type"] == "intent":
            keys_of[record["tag"]] = record["key"]
            tags.setdefault(record["key"], set()).add(record["tag"])
    orders = Counter(keys_of.get(deed["tag"], "?") for deed in sim.placements())

    wrong = [f"{key}: {count} orders at the broker" for key, count in orders.items() if count > 1]
    wrong += [f"an order that the journal lacks: {orders['?']}"] * ("?" in orders)
    wrong += [text for key, told in bot.told.items() for text in _lies(key, told, orders[key])]
    wrong += [] if report.is_good else [f"the journal: {report.damage or report.tampered}"]
    ends = [told[-1] for told in bot.told.values()]
    return Figures(
        keys=len(bot.told),
        seconds=round(seconds, 1),
        kills=len(kills),
        tries=bot.tries,
        lost=sum(r["fault"].startswith("lose") for r in sim.requests() if r["method"] == "POST"),
        doubts=len({record["id"] for record in journal if record["type"] == "doubt"}),
        longest_doubt_s=round(_longest_doubt_s(journal), 1),
        placed=sum(end in PLACED for end in ends),
        not_placed=ends.count("NOT_PLACED"),
        records=report.records,
        wrong=tuple(wrong),
    )


def _lies(key: str, told: list[str], orders: int) -> Iterator[str]:
    """What was said of a key and is not so."""
    for what in told:
        is_true = orders == 1 if what in PLACED else orders == 0 or what == "IN_DOUBT"
        if not is_true:
            yield f"{key}: told {what}, and the broker has {orders}"
    if told[-1] == "IN_DOUBT":
        yield f"{key}: never settled"


def _longest_doubt_s(journal: list[dict[str, str]]) -> float:
    begun: dict[str, datetime] = {}
    longest = 0.0
    for record in journal:
        at = datetime.fromisoformat(record["at"])
        if record["type"] == "doubt":
            begun.setdefault(record["id"], at)
        elif record["type"] == "settled" and record["id"] in begun:
            longest = max(longest, (at - begun.pop(record["id"])).total_seconds())
    return longest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--loss", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    figures = endure(asked.keys, loss=asked.loss, seed=asked.seed)
    sys.stdout.write(figures.text() + "\n")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
