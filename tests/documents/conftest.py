"""The machine that a document is read at: our commands in the PATH, and beside them the daemon that its first block starts."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ordoctl import Client
from tests.documents.reading import ROOT

__all__ = ["Machine", "machine"]

COMMANDS = {"ordod": "ordod.__main__", "ordoctl": "ordoctl.cli"}
START_S = 60.0
RUNNERS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
BLOCK_S = 120.0


class Machine:
    """A home folder, an environment, and what is run in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        commands = home / "bin"
        commands.mkdir()
        for name, module in COMMANDS.items():
            script = commands / name
            script.write_text(
                f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
            )
            script.chmod(0o755)
        mine = {name: value for name, value in os.environ.items() if not name.startswith("ORDO")}
        paths = (ROOT, ROOT / "adapters", os.environ.get("PYTHONPATH", ""))
        programs = (commands, Path(sys.executable).parent, os.environ["PATH"])
        self.environment: Mapping[str, str] = {
            **mine,
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "STATE_DIRECTORY": "",
            "RUNTIME_DIRECTORY": "",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        self.socket = home / "run/ordod/ordod.sock"

    def run(self, language: str, text: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*RUNNERS[language], text],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_S,
            check=False,
        )

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """The example's daemon, ready to trade, and the example where a person's own configuration is looked for."""
        config = self.home / ".config/ordod/ordod.conf"
        config.parent.mkdir(parents=True)
        config.write_bytes((ROOT / "ordod.conf.example").read_bytes())
        config.chmod(0o600)
        with (self.home / "log").open("wb") as log:
            process = subprocess.Popen(
                ["ordod", "--config", "ordod.conf.example"],
                executable=self.home / "bin/ordod",
                cwd=ROOT,
                env=self.environment,
                stderr=log,
            )
        try:
            self._until_it_trades(process)
            yield
        finally:
            process.terminate()
            process.wait()

    def _until_it_trades(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until and process.poll() is None:
            if self.socket.exists():
                with suppress(OSError), Client(socket=str(self.socket)) as client:
                    if client.system.status().state == "READY":
                        return
            time.sleep(0.05)
        raise AssertionError((self.home / "log").read_text())

    def end_what_was_set_up(self) -> None:
        """Ends the daemon that a document started by `ordoctl setup`."""
        lock = self.home / ".local/state/ordod/lock"
        if not lock.exists() or not (pid := lock.read_text().strip()):
            return
        try:
            ended = os.pidfd_open(int(pid))
        except ProcessLookupError:
            return
        os.kill(int(pid), signal.SIGTERM)
        assert select.select([ended], [], [], START_S)[0]
        os.close(ended)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Makes the machine; with the daemon, unless the document sets one up itself."""
    with ExitStack() as stack:

        def make(*, with_daemon: bool = True) -> Machine:
            made = Machine(tmp_path)
            if with_daemon:
                stack.enter_context(made.daemon())
            else:
                stack.callback(made.end_what_was_set_up)
            return made

        yield make
