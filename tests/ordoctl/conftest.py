"""A scripted daemon on a real socket, for every test here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ordoctl.scripted import ScriptedDaemon


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ScriptedDaemon]:
    daemon = ScriptedDaemon(tmp_path / "ordod.sock")
    daemon.start()
    yield daemon
    daemon.stop()
