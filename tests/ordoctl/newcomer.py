"""Somebody with an empty home: runs `ordoctl` as a process, in a pipe or at a terminal, and leaves no daemon behind."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ordoctl.places import SERVICE
from tests.ordoctl.person import COLUMNS, Person, at_a_terminal

__all__ = ["Newcomer", "newcomer", "not_here"]

RUN_S = 120.0


class Newcomer:
    """`secrets`: texts that may stand in no answer, no log and no configuration."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / ".config/ordod/ordod.conf"
        self.state = home / ".local/state/ordod"
        self.socket = home / "run/ordod/ordod.sock"
        self.key = home / ".config/ordod/store.key"
        self.log = self.state / "ordod.log"
        self.secrets: Sequence[str] = ()
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "COLUMNS": str(COLUMNS),
            "NO_COLOR": "1",
            "TERM": "xterm",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }

    @staticmethod
    def command(*argv: str) -> list[str]:
        return [sys.executable, "-m", "ordoctl.cli", *argv]

    def run(self, *argv: str, said: str = "") -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.command(*argv),
            input=said,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        self.no_secret_in(done.stdout + done.stderr)
        assert "a bug of ordoctl's own" not in done.stderr, done.stderr
        return done

    def json(self, *argv: str) -> Any:
        return json.loads(self.run(*argv, "--json").stdout)

    def at_a_terminal(self, *argv: str) -> AbstractContextManager[Person]:
        return at_a_terminal(self.command(*argv), self.environment)

    def no_secret_in(self, text: str) -> None:
        for secret in self.secrets:
            assert secret not in text

    def files(self) -> list[str]:
        """Every file and folder below the home."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))

    def stop(self) -> None:
        """SIGTERM to the daemon that holds the state, and its end."""
        try:
            pid = int((self.state / "lock").read_text())
            ended = os.pidfd_open(pid)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        assert select.select([ended], [], [], RUN_S)[0]
        os.close(ended)


def not_here() -> str:
    """Why `ordoctl setup` may not be tried on this machine; "" where it may."""
    if SERVICE.is_installed or os.path.lexists(SERVICE.config.parent):
        return "Ordo is a service of this machine, and that is not to be touched"
    return ""


@contextmanager
def newcomer(home: Path) -> Iterator[Newcomer]:
    if why := not_here():
        pytest.skip(why)
    one = Newcomer(home)
    try:
        yield one
    finally:
        one.stop()
