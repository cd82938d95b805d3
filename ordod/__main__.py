"""Command line of the daemon: `ordod --config FILE` runs, `ordod check` validates, `ordod demo` shows.

The order of the start: the signal handler before any heavy import (a SIGUSR1 that comes early is remembered), then the
configuration, the state directory and its lock, the journal, the socket. What cannot be is one clear line and exit status 1.
"""

import argparse
import sys
from pathlib import Path

from ordod import __version__
from ordod.io.signals import Signals

__all__ = ["main"]

CONFIG = "the configuration; without it /etc/ordod/ordod.conf, else ~/.config/ordod/ordod.conf"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="ordod",
        description="A local daemon between trading bots and Indian brokers.",
        epilog="Without a command it runs the daemon, in the foreground, until SIGTERM. SIGUSR1 engages the kill switch.",
    )
    parser.add_argument(
        "--version", action="version", version=f"ordod {__version__}", help="say the version"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=CONFIG)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    about = "say whether the configuration can be used, and every mistake in it"
    check = commands.add_parser("check", help=about, description=f"{about.capitalize()}.")
    check.add_argument(
        "--config", help=CONFIG, type=Path, metavar="FILE", default=argparse.SUPPRESS
    )
    about = "show in half a minute what it does, without an account or a network"
    commands.add_parser("demo", help=about, description=f"{about.capitalize()}.")
    options = parser.parse_args(arguments)
    if options.command == "demo":
        from ordod.demo import demo

        return demo()
    if options.command == "check":
        from ordod.running import check_config

        return check_config(options.config)
    signals = Signals()
    from ordod.running import run

    return run(options.config, signals)


if __name__ == "__main__":
    sys.exit(main())
