"""`ordoctl watch`: prices as they move and what becomes of orders, a line each. Ctrl-C is how it ends."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, Misuse, Terminal
from ordoctl.models import Event

__all__ = ["watch"]

TOPICS = ("orders", "trades", "accounts", "kill", "system")


def watch(terminal: Terminal) -> int:
    args = terminal.args
    topics = [topic for topic in TOPICS if topic in args.wanted]
    symbols = [word for word in args.wanted if word not in TOPICS]
    strange = [word for word in symbols if ":" not in word]
    if strange:
        raise Misuse(
            f"{strange[0]!r} is neither a symbol (NSE:INFY) nor one of {', '.join(TOPICS)}"
        )
    wanted = [*topics, "ticks"] if symbols else topics
    accounts = None if args.account is None else [args.account]
    follow = terminal.client.events(wanted, symbols=symbols or None, accounts=accounts)
    skipped = 0
    with follow as events:
        try:
            for event, line in islice(_lines(events), args.limit):
                skipped += event.skipped or 0
                if terminal.is_json:
                    terminal.print_value(line)
                else:
                    terminal.print(tables.tick(line) if event.ticks else tables.event(line))
                sys.stdout.flush()
        except KeyboardInterrupt:
            terminal.say("")
    if skipped:
        terminal.say(f"{skipped} prices were passed over: they came faster than they were read")
    return DONE


def _lines(events: Iterator[Event]) -> Iterator[tuple[Event, Any]]:
    """A line for each price of an event that brings several, and one for every other."""
    for event in events:
        if event.ticks is None:
            yield event, event
        for tick in event.ticks or ():
            yield event, tick
