"""How the machine serves the daemon: how late its loop turns, and what is left on its disk."""

import os
from pathlib import Path

import anyio
import anyio.to_thread

from ordod.core.histogram import Histogram

__all__ = ["Machine"]

LOOK_S = 0.1  # between two looks at the loop: what holds it up for so long is seen for certain
DISK_S = 15.0


class Machine:
    """`lag_s`: how late the loop turned, of every look since the start. `free_bytes`, `size_bytes`: of the file system that holds
    the state, what the daemon may still fill and all of it; None: not told yet."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self.lag_s = Histogram()
        self.free_bytes: int | None = None
        self.size_bytes: int | None = None

    async def run(self) -> None:
        """Look, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch_loop)
            group.start_soon(self._watch_disk)

    async def _watch_loop(self) -> None:
        while True:
            due = anyio.current_time() + LOOK_S
            await anyio.sleep(LOOK_S)
            self.lag_s.add(max(0.0, anyio.current_time() - due))

    async def _watch_disk(self) -> None:
        """In a thread: a disk that hangs holds up nothing, and its last figures stay."""
        while True:
            try:
                told = await anyio.to_thread.run_sync(
                    os.statvfs, self._state_dir, abandon_on_cancel=True
                )
            except OSError:
                self.free_bytes = self.size_bytes = None
            else:
                self.free_bytes = told.f_bavail * told.f_frsize
                self.size_bytes = told.f_blocks * told.f_frsize
            await anyio.sleep(DISK_S)
