"""One bot, unchanged, on every broker: a simulated day, and the same positions at its end."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ordod.sim.__main__ import BROKERS
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import table
from tests.promises.daemon import Daemon

BOT = Path(__file__).parents[2] / "examples" / "two_averages.py"
IST = timezone(timedelta(hours=5, minutes=30))
SYMBOL = "NSE:INFY"
STEP_S = 900
CANDLES = 23  # from 09:15 until the one of 14:45 has ended


def the_day(broker: str, make: Callable[..., Daemon], folder: Path) -> dict[str, Any]:
    """What the bot said, and what the broker holds at its end."""
    begins = datetime.now(IST).replace(hour=9, minute=15, second=1, microsecond=0)
    options = ("--at", begins.isoformat(), "--standing", "--no-limits", "--seed", "11")
    with running(*options, broker=broker) as sim:
        daemon = make(table("real", broker, sim, folder / broker)).ready()
        try:
            said = _play(sim, daemon)
            told = daemon.call("portfolio.positions", account="real")["accounts"][0]["positions"]
            placed = [(p["tag"], p["at"]) for p in sim.placements()]
        finally:
            daemon.stop()
    fields = ("symbol", "product", "quantity", "buy_quantity", "sell_quantity")
    return {
        "said": said,
        "positions": [{field: row[field] for field in fields} for row in told],
        "placed_at": [at for _, at in placed],
        "tags": {tag for tag, _ in placed},
    }


def _play(sim: SimProcess, daemon: Daemon) -> list[str]:
    """The bot's day: the broker's clock goes on whenever the bot has decided on a candle."""
    command = [sys.executable, str(BOT), "--account", "real", "--symbol", SYMBOL]
    command += ["--every", "0.05", "--socket", str(daemon.socket)]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as bot:
        assert bot.stdout is not None
        sim.step(STEP_S)
        for line in bot.stdout:
            said.append(line.strip())
            if line.endswith(("holds\n", "is out\n")):
                sim.step(STEP_S)
    assert bot.returncode == 0, said
    return said


def test_the_same_bot_ends_with_the_same_positions_at_every_broker(
    make: Callable[..., Daemon],
) -> None:
    with TemporaryDirectory() as name, ThreadPoolExecutor(len(BROKERS)) as pool:
        days = dict(
            zip(BROKERS, pool.map(lambda b: the_day(b, make, Path(name)), BROKERS), strict=True)
        )

    for broker, day in days.items():
        trades = [line for line in day["said"] if "FILLED" in line]
        assert len(day["said"]) - len(trades) == CANDLES, broker
        assert len(trades) >= 2, "the day gives the rule nothing to do"
        assert len(day["tags"]) == len(day["placed_at"]) == len(trades)
        first = days[BROKERS[0]]
        assert day["said"] == first["said"], broker
        assert day["positions"] == first["positions"], broker
