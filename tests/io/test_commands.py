"""Alerts to commands that are really run, and do what commands should not."""

import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from ordod.core.ports import Undelivered
from ordod.io import commands
from ordod.io.commands import CommandReceiver
from ordod.secrets import Redactor
from tests.alerts.receiver import command, kept
from tests.io.test_receivers import ALERT

ENVIRONMENT = {"HOME": "/home/asha", "KITE_SECRET": "s3cret", "LANG": "C.UTF-8"}


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "RUN_S", 1.0)
    monkeypatch.setattr(commands, "RUNNER_S", 20.0)


@asynccontextmanager
async def receiving(*words: str | Path) -> AsyncIterator[CommandReceiver]:
    one = CommandReceiver(
        command=tuple(map(str, words)), environment=ENVIRONMENT, hide=Redactor().hide
    )
    try:
        yield one
    finally:
        await one.aclose()


def living(word: str) -> list[int]:
    """Processes whose command line has this word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if word.encode() in line and state != "Z":
                    found.append(int(entry.name))
    return found


async def gone(word: str) -> None:
    with anyio.fail_after(20):
        while living(word):  # noqa: ASYNC110 - processes set no event
            await anyio.sleep(0.02)


async def test_a_command_gets_the_alert_on_its_input_and_little_in_its_environment(
    tmp_path: Path,
) -> None:
    script = tmp_path / "notify"
    script.write_text(
        f'#!/bin/sh\ncat > {tmp_path}/told\nenv > {tmp_path}/environment\necho "$1" > {tmp_path}/word\n'
    )
    script.chmod(0o755)

    async with receiving(script, "a $(word) 'quoted'") as one:
        await one.send(ALERT)

    told = json.loads((tmp_path / "told").read_text())
    found = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert told["message"] == ALERT.message
    assert found["ORDO_ALERT_KIND"] == "session"
    assert found["ORDO_ALERT_TITLE"] == ALERT.title
    assert found["HOME"] == "/home/asha"
    assert "KITE_SECRET" not in found
    assert not any("s3cret" in value for value in found.values())
    assert (tmp_path / "word").read_text() == "a $(word) 'quoted'\n"


async def test_ten_alerts_at_once_are_told_one_after_the_other_by_one_process(
    tmp_path: Path,
) -> None:
    async with receiving(command(tmp_path)) as one:
        await one.prepare()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one.send, ALERT)

    assert len(kept(tmp_path)) == 10


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("fails", "status 3: no such pager: 0123456789"),
        ("hangs", "took longer than 1 s"),
        ("deaf", "took longer than 1 s"),
        ("talks", "took longer than 1 s"),
        ("dies", "status -9"),
    ],
)
async def test_what_a_command_does_wrong_is_said_and_it_is_gone_afterwards(
    tmp_path: Path, program: str, why: str
) -> None:
    script = command(tmp_path, program)
    good = command(tmp_path)

    async with receiving(script) as one:
        with pytest.raises(Undelivered, match=why) as raised:
            await one.send(ALERT)
        await gone(script.name)
        script.write_bytes(good.read_bytes())
        await one.send(ALERT)  # the next one is told all the same

    assert len(str(raised.value)) < 300
    assert len(kept(tmp_path)) == 1


async def test_what_a_command_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    script = command(tmp_path, "forks")

    async with receiving(script) as one:
        began = time.monotonic()
        await one.send(ALERT)
        took_s = time.monotonic() - began
        await gone(script.name)

    assert took_s < 10


@pytest.mark.parametrize("kind", ["missing", "no program", "a folder"])
async def test_a_command_that_cannot_be_run_is_said(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "notify"
    match kind:
        case "no program":
            file.write_text("echo")
        case "a folder":
            file.mkdir()
        case _:
            pass

    async with receiving(file) as one:
        with pytest.raises(Undelivered, match="cannot be run"):
            await one.send(ALERT)


async def test_a_cancelled_alert_takes_its_command_along_and_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "RUN_S", 600.0)
    script = command(tmp_path, "hangs")

    async with receiving(script) as one, anyio.create_task_group() as group:
        group.start_soon(one.send, ALERT)
        with anyio.fail_after(20):
            while not living(script.name):  # noqa: ASYNC110 - processes set no event
                await anyio.sleep(0.02)
        began = time.monotonic()
        group.cancel_scope.cancel()

    assert time.monotonic() - began < 2
    await gone(script.name)


async def test_a_runner_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    async with receiving(command(tmp_path)) as one:
        await one.send(ALERT)
        assert one._runner is not None
        os.kill(one._runner.pid, signal.SIGKILL)
        one._runner.wait()

        await one.send(ALERT)

    assert len(kept(tmp_path)) == 2
