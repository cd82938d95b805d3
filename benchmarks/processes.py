"""The daemon as a process of its own: started, asked, measured from outside, and ended."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ordoctl import Client

__all__ = ["Daemon", "answer_to", "cores", "environment", "running", "talking"]

ROOT = Path(__file__).parent.parent
PLUGIN = Path(__file__).parent / "plugin"  # the adapter without rate windows, and its entry point
START_S = 120
STOP_S = 60  # a snapshot of a million records is written at the end
TICKS = os.sysconf("SC_CLK_TCK")


class Daemon:
    """A running `ordod`. `answered_s`, `ready_s`: from the start of the process to the first answer, and to READY=1."""

    def __init__(self, process: "subprocess.Popen[bytes]", path: Path, log: Path) -> None:
        self.process = process
        self.socket = path
        self.log = log
        self.answered_s = 0.0
        self.ready_s = 0.0

    def client(self, timeout_s: float = 60.0) -> Client:
        return Client(self.socket, timeout=timeout_s)

    def rss_mib(self) -> float:
        """Resident memory now."""
        return self._status_kib("VmRSS") / 1024

    def peak_mib(self) -> float:
        """Resident memory at its highest."""
        return self._status_kib("VmHWM") / 1024

    def cpu_s(self) -> float:
        """Processor time of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS

    def pin(self, cores: set[int]) -> None:
        """Its threads that are there, and those they start."""
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)

    def _status_kib(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1])


def cores() -> list[int]:
    """The cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def environment(**more: str) -> dict[str, str]:
    """This tree's packages, the benchmark's adapter among them, before whatever else there is."""
    paths = [str(ROOT), str(ROOT / "adapters"), str(PLUGIN)]
    given = os.environ.get("PYTHONPATH")
    return (
        os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *([given] if given else [])])} | more
    )


@contextmanager
def talking(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that is asked and answers by lines, while the block lasts."""
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - fixed argv
        command, stdin=pipe, stdout=pipe, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_to(process: "subprocess.Popen[str]", line: str) -> str:
    """Its next line, after it was told this one."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()


@contextmanager
def running(folder: Path, accounts: str, prefix: Sequence[str] = ()) -> Iterator[Daemon]:
    """`ordod` on a state directory below `folder` while the block lasts.

    Args:
        accounts: the TOML tables of its accounts.
        prefix: a command that becomes it: `taskset` ...
    Raises:
        RuntimeError: it did not become ready; the end of its log is in the message.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, log = folder / "s", folder / "log"
    config = folder / "ordod.conf"
    config.touch(mode=0o600)
    config.write_text(
        f'[daemon]\nstate_dir = "{folder / "state"}"\nsocket = "{path}"\n{accounts}',
        encoding="utf-8",
    )
    command = [*prefix, sys.executable, "-m", "ordod", "--config", str(config)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, log.open("wb") as errors:
        (folder / "n").unlink(missing_ok=True)
        told.bind(str(folder / "n"))
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - fixed argv
            command, stderr=errors, env=environment(NOTIFY_SOCKET=str(folder / "n"))
        )
        daemon = Daemon(process, path, log)
        try:
            _wait(daemon, told, begun)
            yield daemon
        finally:
            _stop(process)


def _wait(daemon: Daemon, told: socket.socket, begun: float) -> None:
    """Until it has answered a ping and said READY=1."""
    told.setblocking(False)
    asked: socket.socket | None = None
    try:
        while not (daemon.ready_s and daemon.answered_s):
            now = time.perf_counter() - begun
            if daemon.process.poll() is not None or now > START_S:
                raise RuntimeError(f"ordod did not start: {daemon.log.read_text()[-500:]}")
            if not daemon.ready_s and _is_ready(told):
                daemon.ready_s = now
            if asked is None:
                asked = _asked(daemon.socket)
            elif not daemon.answered_s and _has_answer(asked):
                daemon.answered_s = now
            time.sleep(0.001)
    finally:
        if asked is not None:
            asked.close()


def _is_ready(told: socket.socket) -> bool:
    try:
        return b"READY=1" in told.recv(1024)
    except BlockingIOError:
        return False


def _asked(path: Path) -> socket.socket | None:
    """A connection with a ping under way, or None where nobody listens yet."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    connection.sendall(b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\n')
    connection.setblocking(False)
    return connection


def _has_answer(asked: socket.socket) -> bool:
    try:
        return asked.recv(4096).endswith(b"\n")
    except BlockingIOError:
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
