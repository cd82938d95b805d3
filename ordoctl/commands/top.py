"""`ordoctl top`: the whole daemon on one screen, and two keys that act on it.

One loop: events, prices, readings and keys change the board, and the screen is drawn at most so often. The terminal is given
back as it was, however it ends.
"""

import argparse
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import anyio
from msgspec.structs import replace
from rich.live import Live

from ordoctl.async_client import AsyncClient
from ordoctl.board import Board
from ordoctl.commands.terminal import DONE, USAGE, Terminal, endpoint_in
from ordoctl.errors import CallError, NoDaemon
from ordoctl.ist import IST
from ordoctl.render.board import Screen
from ordoctl.render.grid import console

__all__ = ["top"]

DRAWN_EVERY_S = 0.2
STATUS_EVERY_S = 2.0
POSITIONS_EVERY_S = 10.0  # besides after each fill
PRICES_EVERY_S = 5.0  # where the broker pushes none
CALL_S = 5.0
PAUSE_S = 1.0
TOPICS = ("orders", "trades", "accounts", "kill")
PRESSES = re.compile("\x1b\\[.|.", re.DOTALL)  # several may come at once
KEYS = {"\x1b[A": "up", "k": "up", "\x1b[B": "down", "j": "down", "q": "quit", "c": "c", "K": "K"}


def top(terminal: Terminal) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        terminal.say("ordoctl top wants a terminal; for programs there is `ordoctl status --json`")
        return USAGE
    anyio.run(_Top(terminal.args).run)
    return DONE


class _Top:
    def __init__(self, args: argparse.Namespace) -> None:
        self._client = AsyncClient(**endpoint_in(args), timeout=CALL_S, patient=False)
        self._account: str | None = args.account
        self._board = Board()
        self._is_changed = anyio.Event()
        self._wants_status = anyio.Event()
        self._wants_positions = anyio.Event()

    async def run(self) -> None:
        """Until a key or a signal ends it. Raises NoDaemon, where there is none to begin with."""
        self._change(
            self._board.with_positions(await self._client.portfolio.positions(self._account))
        )
        with (
            _raw_keys(),
            Live(console=console(sys.stdout), screen=True, auto_refresh=False) as live,
        ):
            async with anyio.create_task_group() as group:
                group.start_soon(self._draw, live)
                for work in (self._statuses, self._positions, self._events, self._prices):
                    group.start_soon(work)
                group.start_soon(self._signals, group.cancel_scope)
                await self._keys()
                group.cancel_scope.cancel()
        await self._client.aclose()

    def _change(self, board: Board) -> None:
        self._board = board
        self._is_changed.set()

    async def _draw(self, live: Live) -> None:
        while True:
            live.update(Screen(self._board, datetime.now(IST)), refresh=True)
            await anyio.sleep(DRAWN_EVERY_S)
            with anyio.move_on_after(1.0):  # the clock goes on
                await self._is_changed.wait()
            self._is_changed = anyio.Event()

    async def _signals(self, scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
            async for _ in received:
                scope.cancel()

    # What the daemon says

    async def _statuses(self) -> None:
        while True:
            async with self._asking():
                status = await self._client.system.status()
                self._change(replace(self._board, status=status, lost=""))
            self._wants_status = anyio.Event()
            with anyio.move_on_after(STATUS_EVERY_S):
                await self._wants_status.wait()

    async def _positions(self) -> None:
        while True:
            async with self._asking():
                told = await self._client.portfolio.positions(self._account)
                self._change(self._board.with_positions(told))
            self._wants_positions = anyio.Event()
            with anyio.move_on_after(POSITIONS_EVERY_S):
                await self._wants_positions.wait()

    async def _events(self) -> None:
        accounts = None if self._account is None else [self._account]
        while True:
            async with self._asking(), self._client.events(TOPICS, accounts=accounts) as events:
                async for event in events:
                    self._change(self._board.with_event(event))
                    if event.topic == "trades":
                        self._wants_positions.set()
                    if event.topic != "orders":
                        self._wants_status.set()
            await anyio.sleep(PAUSE_S)

    async def _prices(self) -> None:
        """Pushed, where the broker pushes them, else asked for."""
        while True:
            watched = self._board.watched
            if watched:
                async with self._asking():
                    with anyio.move_on_after(PRICES_EVERY_S):
                        try:
                            await self._follow(sorted(watched))
                        except NoDaemon:
                            raise
                        except CallError:
                            found = await self._client.market.ltp(sorted(watched), self._account)
                            prices = {
                                s: q.last_price
                                for s, q in found.quotes.items()
                                if q.last_price is not None
                            }
                            self._change(self._board.with_prices(prices))
                            await anyio.sleep(PRICES_EVERY_S)
            else:
                await anyio.sleep(PAUSE_S)

    async def _follow(self, symbols: list[str]) -> None:
        async with self._client.ticks(symbols, account=self._account) as ticks:
            async for tick in ticks:
                self._change(self._board.with_ticks([tick]))
                if self._board.watched != frozenset(symbols):
                    return

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """A daemon that is gone or refuses is told on the screen, and asked again."""
        try:
            yield
        except NoDaemon as gone:
            self._change(replace(self._board, lost=gone.message))
            await anyio.sleep(PAUSE_S)
        except CallError as error:
            self._change(replace(self._board, message=f"{error.kind}: {error.message}"))

    # Keys

    async def _keys(self) -> None:
        """Returns when one ends it."""
        while True:
            await anyio.wait_readable(sys.stdin)
            data = os.read(sys.stdin.fileno(), 64)
            if not data:
                return
            for pressed in PRESSES.findall(data.decode("ascii", "replace")):
                key = KEYS.get(pressed, "other")
                if key == "quit":
                    return
                await self._press(key)

    async def _press(self, key: str) -> None:
        board, asked = self._board, self._board.asks
        self._change(replace(board, asks="", message=""))
        match key:
            case "up" | "down":
                self._change(self._board.moved(1 if key == "down" else -1))
            case "c" if asked == "c":
                await self._cancel()
            case "K" if asked == "K":
                await self._kill()
            case "c" if board.chosen is None:
                self._change(replace(self._board, message="no open order is chosen"))
            case "c" | "K":
                self._change(replace(self._board, asks=key))
            case _:
                return

    async def _cancel(self) -> None:
        order = self._board.chosen
        if order is None:
            return
        async with self._asking():
            change = await self._client.order.cancel(order.order_id)
            words = {"done": "is cancelled", "in_doubt": "was asked to be cancelled"}
            told = words.get(change.change, change.change)
            self._change(replace(self._board, message=f"{order.symbol}: the order {told}"))

    async def _kill(self) -> None:
        async with self._asking():
            answer = await self._client.kill.engage(reason="ordoctl top")
            words = "KILLED" if answer.durable else "KILLED, but not on disk"
            self._change(replace(self._board, message=words))
            self._wants_status.set()


@contextmanager
def _raw_keys() -> Iterator[None]:
    """Keys come one by one and are not shown."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
