"""An alert to a command of the user's: its JSON on standard input, the most important of it in the environment.

The command is started by a process that was started before (`command_runner.py`, which says why), so that neither a full memory, nor
a hanging disk, nor a program that does not end is the daemon's business. It gets an environment of its own: the daemon's may
hold secrets.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
import structlog

from ordod.core.ports import DiskError, Undelivered
from ordod.domain.alerts import Alert
from ordod.io import command_runner
from ordod.io.worker import Worker

__all__ = ["CommandReceiver"]

RUN_S = 10.0
RUNNER_S = 12.0  # the runner keeps to RUN_S; one that does not is killed
BURY_S = 5.0
SHOWN_MAX = 200
PASSED_ON = ("HOME", "LANG", "TZ", "USER")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

log = structlog.get_logger("alerts")


class CommandReceiver:
    """Runs one command for each alert, one at a time.

    Args:
        environment: the daemon's; of it the command gets little.
        hide: takes secrets out of a text.
    """

    def __init__(
        self,
        *,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        hide: Callable[[str], str],
    ) -> None:
        self._command = command
        self._environment = {"PATH": PATH} | {
            name: environment[name] for name in PASSED_ON if name in environment
        }
        self._hide = hide
        self._worker: Worker | None = None
        self._runner: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = anyio.Lock()
        self._is_busy = False

    async def prepare(self) -> None:
        """Its process is started before there is anything to tell."""
        async with self._one_at_a_time:
            with suppress(DiskError), anyio.move_on_after(RUNNER_S):
                await self._working().do(self._living)

    async def send(self, alert: Alert) -> None:
        async with self._one_at_a_time:
            await self._send(self._asked(alert))

    async def _send(self, asked: bytes) -> None:
        if self._is_busy:
            raise Undelivered("the process that runs the command does not answer")
        worker = self._working()
        try:
            with anyio.fail_after(RUNNER_S):
                self._is_busy = True
                answer = await worker.do(lambda: self._exchange(asked))
        except TimeoutError:
            self._kill()
            raise Undelivered(f"the command did not end within {RUNNER_S:.0f} s") from None
        except DiskError as error:
            self._kill()
            raise Undelivered(f"the command could not be run: {error}") from None
        except BaseException:
            self._kill()
            raise
        said = " ".join(self._hide(answer["output"]).split())
        log.debug("alert_command", status=answer["status"], output=said)
        if answer["problem"]:
            raise Undelivered(answer["problem"])
        if answer["status"]:
            told = f": {said[:SHOWN_MAX]}" if said else ""
            raise Undelivered(f"the command ended with status {answer['status']}{told}")

    async def aclose(self) -> None:
        self._kill()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(0.0)

    def _asked(self, alert: Alert) -> bytes:
        about = {
            "ORDO_ALERT_ID": alert.id,
            "ORDO_ALERT_KIND": alert.kind,
            "ORDO_ALERT_SEVERITY": alert.severity,
            "ORDO_ALERT_STATE": alert.state,
            "ORDO_ALERT_ACCOUNT": alert.account or "",
            "ORDO_ALERT_TITLE": alert.title,
            "ORDO_ALERT_MESSAGE": alert.message,
        }
        asked = {
            "command": self._command,
            "environment": self._environment | about,
            "input": msgspec.json.encode(alert).decode() + "\n",
            "limit_s": RUN_S,
        }
        return json.dumps(asked).encode() + b"\n"

    def _exchange(self, asked: bytes) -> dict[str, Any]:
        """In the worker: everything here may hang. Raises OSError."""
        try:
            runner = self._living()
            assert runner.stdin is not None
            assert runner.stdout is not None
            runner.stdin.write(asked)
            runner.stdin.flush()
            line = runner.stdout.readline()
        finally:
            self._is_busy = False
        if not line:
            raise OSError("its process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _living(self) -> "subprocess.Popen[bytes]":
        """In the worker. Raises OSError."""
        if self._runner is not None and self._runner.poll() is not None:
            _buried(self._runner)
            self._runner = None
        self._runner = self._runner or _started()
        return self._runner

    def _working(self) -> Worker:
        self._worker = self._worker or Worker("ordod-alerts")
        return self._worker

    def _kill(self) -> None:
        """The runner takes its command along."""
        runner, self._runner = self._runner, None
        if runner is not None and self._worker is not None:
            runner.terminate()
            self._worker.put(lambda: _buried(runner))


def _buried(runner: "subprocess.Popen[bytes]") -> None:
    """In the worker, behind whoever still listens to it."""
    with suppress(subprocess.TimeoutExpired):
        runner.wait(BURY_S)
    for pipe in (runner.stdin, runner.stdout):
        assert pipe is not None
        with suppress(OSError):
            pipe.close()


def _started() -> "subprocess.Popen[bytes]":
    """Away from the terminal's signals: it ends with its standard input."""
    program = Path(command_runner.__file__)
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )
