"""The process: what a crash, a variable of the environment and a line end in a value leave behind."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import Daemon, Refused, access_token, zerodha
from tests.promises.gateway import gateway

Make = Callable[..., Daemon]

TOKEN = "tok-0123456789abcdef"
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
HOLDING = (
    f'[accounts.kite]\nbroker = "zerodha"\napi_key = "key-0123456789"\naccess_token = "{TOKEN}"\n'
    'base_url = "http://127.0.0.1:9"\n'
)


@pytest.fixture
def cores_are_files(folder: Path) -> Path:
    """Where a core would be written; skipped where this machine does something else with them."""
    if CORE_PATTERN.read_text().startswith("|"):
        pytest.skip("cores go to a program here")
    return folder


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV])
def test_a_signal_that_dumps_core_leaves_no_core_and_no_secret(
    make: Make, cores_are_files: Path, number: signal.Signals
) -> None:
    """Though whoever started it allows cores of any size."""
    daemon = make(HOLDING)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with daemon.log.open("ab") as log:
        daemon.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "ordod", "--config", str(daemon.config)],
            stderr=log,
            cwd=daemon.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
        )
    daemon.wait_status(lambda status: status["accounts"])

    daemon.signal(number)
    status = daemon.died()

    left = {path.name for path in daemon.folder.iterdir()}
    assert status == -number
    assert not [name for name in left if "core" in name]
    assert TOKEN not in daemon.log_text()


def test_a_key_log_asked_for_in_the_environment_is_not_written(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every byte to the broker could be read by who has the log and the traffic."""
    keys = folder / "keys"
    with running("--no-limits") as sim, gateway(sim, folder) as way:
        monkeypatch.setenv("SSL_CERT_FILE", str(way.authority))
        account = zerodha(sim, token=access_token(sim)).replace(sim.url, way.url)
        daemon = make(account)
        monkeypatch.setenv("SSLKEYLOGFILE", str(keys))

        daemon.ready()
        daemon.place("k")
        daemon.kill()

    assert way.traffic
    assert not keys.exists()


def test_proxies_of_the_environment_are_not_asked(
    make: Make, sim: SimProcess, shared_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    daemon = make(zerodha(sim, token=shared_token)).ready()

    assert daemon.place("k")["order"]["status"] in ("OPEN", "PENDING")


HOSTILE = [
    'x\n{"seq":99,"type":"release","hash":"00000000000000000000000000000000"}',
    '","type":"release","hash":"00000000000000000000000000000000"}\n',
    "a\r\nb\u2028c\u0000d\x1b[31m",
    "\\u000a\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_client_becomes_a_record_of_the_journal(make: Make, text: str) -> None:
    daemon = make().ready()
    before = len(daemon.journal())

    daemon.call("kill.engage", reason=text[:200])
    for params in ({"key": text}, {"strategy": text}, {"symbol": f"NSE:{text}"}):
        with pytest.raises(Refused):
            daemon.call("order.place", **daemon.order("k", account="paper") | params)

    kinds = [record["type"] for record in daemon.journal()[before:]]
    assert [kind for kind in kinds if kind != "seal"] == ["kill"]
    assert daemon.records("kill")[-1]["reason"] == text[:200]
    assert daemon.verified().is_good
    assert daemon.call("kill.status")["engaged"]


def test_a_record_added_by_hand_is_found(make: Make) -> None:
    daemon = make().ready()
    daemon.call("kill.engage", reason="stop")
    daemon.stop()
    (file,) = (daemon.state / "journal").glob("*.ndjson")
    lines = file.read_bytes().splitlines(keepends=True)
    forged = json.loads(lines[-2]) | {"type": "release", "caller": "me", "reason": "forged"}
    lines.insert(-2, json.dumps(forged, separators=(",", ":")).encode() + b"\n")
    file.write_bytes(b"".join(lines))

    daemon.start()

    assert daemon.died() == 1
    assert "damaged" in daemon.log_text()
