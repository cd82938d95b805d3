"""A daemon's socket that says what it is told to say: threads, a real Unix socket, every request kept."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

Said: TypeAlias = dict[str, Any]


class HangUp:
    """Close the connection."""


class Silence:
    """Say nothing."""


class Fail:
    """Answer with an error."""

    def __init__(self, code: int, kind: str, message: str = "no", **data: Any) -> None:
        self.object = {"code": code, "message": message, "data": {"kind": kind, **data}}


class Line:
    """Send these bytes as they are."""

    def __init__(self, line: bytes) -> None:
        self.line = line


class Event:
    """Send an event of this connection's subscription."""

    def __init__(self, **params: Any) -> None:
        self.line = (
            json.dumps({"jsonrpc": "2.0", "method": "event", "params": params}).encode() + b"\n"
        )


class Wait:
    """Go on when this is set."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event


class Pause:
    """Go on so many seconds later."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


Action: TypeAlias = Pause | HangUp | Silence | Fail | Line | Event | Wait | Mapping[str, Any]
Reply: TypeAlias = Action | list[Action] | Callable[[Said], "Action | list[Action]"]

HANG_UP = HangUp()
SILENCE = Silence()


class ScriptedDaemon:
    """Answers each method with what was queued for it; the last reply stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received: list[Said] = []
        self.connections = 0
        self._replies: dict[str, list[Reply]] = {}
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def on(self, method: str, *replies: Reply) -> None:
        self._replies[method] = list(replies)

    def calls(self, method: str) -> list[Said]:
        """The parameters of each call of a method."""
        return [said["params"] for said in self.received if said["method"] == method]

    def start(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(64)
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """As a daemon that died: the socket is gone, every connection ends."""
        if self._listener is not None:
            self.path.unlink()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for link in self._open:
            self._shut(link)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)
        self._threads.clear()

    def _spawn(self, run: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(link)
            self._spawn(self._serve, link)

    def _serve(self, link: socket.socket) -> None:
        with link, link.makefile("rb") as lines:
            try:
                for line in lines:
                    said = json.loads(line)
                    self.received.append(said)
                    if not self._answer(link, said):
                        break
            except OSError:
                pass
            self._shut(link)
        self._open.remove(link)

    def _answer(self, link: socket.socket, said: Said) -> bool:
        replies = self._replies[said["method"]]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        actions = reply(said) if callable(reply) else reply
        for action in actions if isinstance(actions, list) else [actions]:
            match action:
                case HangUp():
                    return False
                case Silence():
                    pass
                case Pause():
                    time.sleep(action.seconds)
                case Wait():
                    action.event.wait(5)
                case Fail():
                    link.sendall(_answer(said, error=action.object))
                case Line() | Event():
                    link.sendall(action.line)
                case _:
                    link.sendall(_answer(said, result=action))
        return True

    @staticmethod
    def _shut(link: socket.socket) -> None:
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def _answer(said: Said, **member: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": said["id"], **member}).encode() + b"\n"


def far(word: str, done: int) -> Line:
    """A call that has this word is so far, of three parts."""
    told = {"method": "progress", "params": {"progress": word, "done": done, "of": 3}}
    return Line(json.dumps({"jsonrpc": "2.0"} | told).encode() + b"\n")


def order(**fields: Any) -> dict[str, Any]:
    """An order as the wire has it."""
    return {
        "order_id": "o1",
        "key": "k1",
        "account": "main",
        "strategy": None,
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": 10,
        "type": "LIMIT",
        "product": "CNC",
        "price": 1450.05,
        "trigger_price": None,
        "validity": "DAY",
        "variety": "REGULAR",
        "disclosed_quantity": None,
        "tag": "abc123",
        "broker_order_id": "261123000000001",
        "exchange_order_id": None,
        "status": "OPEN",
        "status_message": None,
        "filled_quantity": 0,
        "average_price": None,
        "children": [],
        "since": None,
        "next_check": None,
        "placed_at": "2026-11-23T09:15:00.123456+05:30",
        "updated_at": "2026-11-23T09:15:00.223456+05:30",
        "seq": 3,
        **fields,
    }
