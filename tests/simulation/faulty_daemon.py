"""A real daemon whose ports die or fail at call n: `python -m tests.simulation.faulty_daemon --config FILE`.

It is `ordod --config FILE` with the ports between it and the disk and the brokers. What they do wrong stands in the file that
$ORDOD_TEST_PLAN names, looked at anew at each step, so that a test can change its mind while the daemon runs:

    {"do": "kill", "of": "append", "at": 3, "holding": "intent"}

A step is one side of a port call: `append` before the bytes are handed to the disk, `appended` after the sync; `send` before
a request, `admit` when its bytes are about to be handed over, `admitted` when the gate has let them pass, `sent` when the
answer is there; `replace`, `flush_gate`, `create`, `remove`, `truncate` before what they say, with `-d` behind it after.

| field | means |
| --- | --- |
| `do` | `kill` (SIGKILL), `fail` (DiskError), `hang` for `seconds` (the port hangs, the loop turns), `spin` (the loop itself is blocked, in Python), `none` (count only) |
| `of` | the step; `disk` for each of the disk's, before and after; `any` for all |
| `at` | the how manieth that fits, from 1, since the plan was read; 0: each |
| `holding` | only steps of which this text is part: the bytes appended, the request's method and path |

A file of the same name that ends in `.clock` holds seconds by which the wall clock is off.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, MutableSequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio

from ordod.adapter import BrokerSpec, HttpRequest, HttpResponse
from ordod.core.ports import (
    Admit,
    AppendFile,
    Brokers,
    Clock,
    Disk,
    DiskError,
    Identity,
    Line,
    LineSettings,
    Ports,
)
from ordod.io.signals import Signals

CHANGES = ("append", "create", "replace", "truncate", "remove", "flush_gate")
T = TypeVar("T")
DISK = frozenset((*CHANGES, "appended", *(f"{name}-d" for name in CHANGES)))


class Plan:
    """What goes wrong, as the file says now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = 0
        self._asked: dict[str, Any] = {}
        self._count = 0

    async def step(self, name: str, about: str = "") -> None:
        """One step of a port; may not return. Raises DiskError."""
        hang_s = self._take(name, about)
        if hang_s:
            await anyio.sleep(hang_s)

    def step_now(self, name: str, about: str = "") -> None:
        """As `step`, where nothing may await: a port that hangs here blocks the loop."""
        time.sleep(self._take(name, about))

    def _take(self, name: str, about: str) -> float:
        """For how long this step hangs."""
        self._look()
        asked = self._asked
        if not asked or asked["of"] not in ("any", name, "disk" if name in DISK else ""):
            return 0.0
        if asked.get("holding", "") not in about:
            return 0.0
        self._count += 1
        if asked.get("at", 1) not in (0, self._count):
            return 0.0
        match asked["do"]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                raise DiskError(f"{name} failed as planned")
            case "hang":
                return float(asked["seconds"])
            case "spin":
                end = time.monotonic() + asked["seconds"]
                while time.monotonic() < end:
                    pass
            case other:
                assert other == "none", other
        return 0.0

    def _look(self) -> None:
        try:
            read_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._read_at, self._asked = 0, {}
            return
        if read_at != self._read_at:
            self._read_at = read_at
            self._asked = json.loads(self._path.read_bytes())
            self._count = 0


class SteppedClock:
    """Wall time off by as many seconds as the file beside the plan says; boot time as it is."""

    def __init__(self, clock: Clock, steps: Path) -> None:
        self._clock = clock
        self._steps = steps

    def now(self) -> datetime:
        try:
            return self._clock.now() + timedelta(seconds=float(self._steps.read_text()))
        except FileNotFoundError:
            return self._clock.now()

    def boot(self) -> float:
        return self._clock.boot()


class FaultyFile:
    def __init__(self, plan: Plan, file: AppendFile) -> None:
        self._plan = plan
        self._file = file

    async def append(self, data: bytes) -> None:
        await self._plan.step("append", data.decode())
        await self._file.append(data)
        await self._plan.step("appended", data.decode())

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


class FaultyDisk:
    def __init__(self, plan: Plan, disk: Disk) -> None:
        self._plan = plan
        self._disk = disk

    def identity(self) -> Identity:
        return self._disk.identity()

    def names(self, folder: str) -> list[str]:
        return self._disk.names(folder)

    def size(self, path: str) -> int:
        return self._disk.size(path)

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        return self._disk.read(path, offset, length)

    async def aside(self, job: Callable[[], T]) -> T:
        return await self._disk.aside(job)

    async def create(self, path: str, *, reserve: int = 0) -> AppendFile:
        await self._plan.step("create", path)
        file = await self._disk.create(path, reserve=reserve)
        await self._plan.step("create-d", path)
        return FaultyFile(self._plan, file)

    def reopen(self, path: str) -> AppendFile:
        return FaultyFile(self._plan, self._disk.reopen(path))

    async def replace(self, path: str, data: bytes) -> None:
        await self._plan.step("replace", path)
        await self._disk.replace(path, data)
        await self._plan.step("replace-d", path)

    async def truncate(self, path: str, size: int) -> None:
        await self._plan.step("truncate", path)
        await self._disk.truncate(path, size)
        await self._plan.step("truncate-d", path)

    async def remove(self, path: str) -> None:
        await self._plan.step("remove", path)
        await self._disk.remove(path)
        await self._plan.step("remove-d", path)

    async def free_bytes(self) -> int:
        return await self._disk.free_bytes()

    def gate(self) -> MutableSequence[int]:
        return self._disk.gate()

    async def flush_gate(self) -> None:
        await self._plan.step("flush_gate")
        await self._disk.flush_gate()
        await self._plan.step("flush_gate-d")


class FaultyLine:
    def __init__(self, plan: Plan, line: Line) -> None:
        self._plan = plan
        self._line = line

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        about = f"{request.method} {request.path}"

        def admit_slowly() -> None:
            assert admit is not None
            self._plan.step_now("admit", about)
            admit()
            self._plan.step_now("admitted", about)

        await self._plan.step("send", about)
        response = await self._line.send(
            request, deadline=deadline, admit=admit_slowly if admit else None
        )
        await self._plan.step("sent", about)
        return response

    async def warm(self) -> None:
        await self._line.warm()

    def reset_writes(self) -> int:
        return self._line.reset_writes()

    async def aclose(self) -> None:
        await self._line.aclose()


class FaultyBrokers:
    def __init__(self, plan: Plan, brokers: Brokers) -> None:
        self._plan = plan
        self._brokers = brokers

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        return FaultyLine(self._plan, self._brokers.line(spec, settings))


def main() -> int:
    signals = Signals()
    from ordod.running import run

    path = Path(os.environ["ORDOD_TEST_PLAN"])
    plan = Plan(path)

    def through(ports: Ports) -> Ports:
        return Ports(
            clock=SteppedClock(ports.clock, path.with_suffix(".clock")),
            random=ports.random,
            disk=FaultyDisk(plan, ports.disk),
            brokers=FaultyBrokers(plan, ports.brokers),
            signals=ports.signals,
            tables=ports.tables,
        )

    assert sys.argv[1] == "--config", sys.argv
    return run(Path(sys.argv[2]), signals, through=through)


if __name__ == "__main__":
    sys.exit(main())
