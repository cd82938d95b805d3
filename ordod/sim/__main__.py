"""`python -m ordod.sim zerodha --port 9010`: a simulated broker on loopback, until it is told to stop.

One line on standard output says where it listens; SIGTERM and SIGINT end it.
"""

import argparse
import asyncio
import signal
import ssl
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from ordod.paper.hours import MARKET_HOURS
from ordod.sim.broker import BrokerSim, Options
from ordod.sim.clock import Clock
from ordod.sim.server import serving

__all__ = ["main"]

BROKERS = (
    "zerodha",
    "angelone",
    "dhan",
    "upstox",
    "fyers",
    "shoonya",
    "iifl",
)  # one of each family
FAMILIES = {
    **dict.fromkeys(("shoonya", "flattrade", "zebu", "tradesmart"), "noren"),
    **dict.fromkeys(
        ("iifl", "fivepaisaxts", "jainamxts", "compositedge", "ibulls", "wisdom", "rmoney"), "xts"
    ),
}
EVERY = tuple(dict.fromkeys((*BROKERS, *FAMILIES)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    clock = Clock(asked.at, standing=asked.standing)
    options = Options(
        seed=asked.seed,
        cash=asked.cash,
        hours=MARKET_HOURS if asked.hours else None,
        limits=not asked.no_limits,
        user_id=asked.user_id,
        redirect_url=asked.redirect_url,
        member=asked.broker,
    )
    package = FAMILIES.get(asked.broker, asked.broker)
    sim: BrokerSim = import_module(f"ordod.sim.{package}").made(options, clock.now())
    for text in asked.faults:
        try:
            sim.faults.chance(text)
        except ValueError as error:
            parser.error(f"--faults {text}: {error}")
    tls = None
    if asked.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(asked.certificate, asked.key)
    asyncio.run(_run(asked.broker, sim, clock, asked.port, tls))
    return 0


async def _run(
    broker: str, sim: BrokerSim, clock: Clock, port: int, tls: ssl.SSLContext | None
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(sim, clock=clock, port=port, tls=tls) as listening:
        sys.stdout.write(f"{broker} simulator ready at {listening.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ordod.sim", description=__doc__)
    parser.add_argument("broker", choices=EVERY)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--faults",
        nargs="+",
        default=[],
        metavar="KIND=P[:METHOD:PREFIX]",
        help="trouble by chance: lose=0.25, delay=0.1:GET:/orders ...",
    )
    parser.add_argument(
        "--at", type=datetime.fromisoformat, help="the time it starts at, with zone"
    )
    parser.add_argument("--standing", action="store_true", help="the clock moves only when told to")
    parser.add_argument("--hours", action="store_true", help="keep the exchanges' hours")
    parser.add_argument("--no-limits", action="store_true", help="no 429 by counting")
    parser.add_argument("--cash", type=Decimal, default=Decimal(10_000_000))
    parser.add_argument("--user-id", default="", help="of its one user")
    parser.add_argument("--redirect-url", default="", help="of its one app")
    parser.add_argument("--certificate", type=Path, help="PEM; TLS with it")
    parser.add_argument("--key", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
