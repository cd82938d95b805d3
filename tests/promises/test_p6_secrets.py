"""P6: no secret, token or OTP is ever in the journal, the log, an error, an answer or a core dump."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ordod.sim.process import SimProcess, running
from ordod.sim.zerodha import App
from ordod.sim.zerodha import Client as SimClient
from tests.promises.daemon import Daemon, Refused, access_token, zerodha
from tests.promises.gateway import gateway

Make = Callable[..., Daemon]

# What passes between Ordo and the broker and nobody else may see.
SECRETS = (
    rb'"access_token": ?"([^"]+)"',
    rb'"(?:enc|public|refresh)_token": ?"([^"]+)"',
    rb"request_token=([A-Za-z0-9]{8,})",
    rb"checksum=([0-9a-f]{64})",
    rb"twofa_value=([0-9]{6})",
    rb"(?i)set-cookie: (?!user_id)[a-z_]+=([^;\r]{6,})",
    rb"(?i)authorization: token \w+:(\w+)",
)


def secrets_of(traffic: bytes) -> set[bytes]:
    found = {match for pattern in SECRETS for match in re.findall(pattern, traffic)}
    app, user = App(), SimClient()
    return found | {text.encode() for text in (app.api_secret, user.password, user.totp_secret)}


def left_behind(daemon: Daemon) -> dict[Path, bytes]:
    """Every file of the run but its configuration."""
    files = [path for path in daemon.folder.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in files if path != daemon.config}


def shows(secret: bytes, content: bytes) -> bool:
    """Whether it stands there; six digits of a clock are no OTP."""
    return re.search(rb"(?<![\d.])" + re.escape(secret) + rb"(?!\d)", content) is not None


def a_day_with_trouble(daemon: Daemon, sim: SimProcess) -> bytes:
    """Orders, lost answers, refusals, a dead session, SIGKILL; every byte clients were told."""
    told = b""
    for kind in ("none", "garbage", "half", "status", "timed_out_400", "dead_session"):
        if kind != "none":
            sim.fault(kind, "POST", "/orders")
        with daemon.client() as client, suppress(Refused):
            client.call("order.place", **daemon.order(f"k-{kind}", timeout_ms=30_000))
        with daemon.client() as client:
            for method in ("system.status", "system.config", "account.list", "journal.tail"):
                client.call(method)
            with suppress(Refused):
                client.call("order.place", **daemon.order("k-none", quantity=7))
            told += client.raw
    daemon.kill()
    return told


def test_no_secret_is_left_anywhere_by_a_run_with_every_kind_of_trouble(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running("--no-limits") as sim, gateway(sim, folder) as way:
        monkeypatch.setenv("SSL_CERT_FILE", str(way.authority))
        account = zerodha(sim, token=access_token(sim), login=True).replace(sim.url, way.url)
        daemon = make(account)
        daemon.config.write_text('[daemon]\nlog_level = "debug"\n' + daemon.config.read_text()[9:])
        daemon.ready()
        told = a_day_with_trouble(daemon, sim)
        secrets = secrets_of(bytes(way.traffic))
        files = left_behind(daemon)

    assert len(secrets) >= 8
    assert [path for path in files if path.suffix == ".ndjson"]
    assert not [s for s in secrets if shows(s, told)]
    assert not {
        (path.name, secret)
        for path, content in files.items()
        for secret in secrets
        if shows(secret, content)
    }


def test_a_refused_login_says_nothing_of_what_it_was_tried_with(make: Make) -> None:
    with running("--no-limits") as sim:
        account = zerodha(sim, login=True).replace("correct-horse", "wrong-horse-battery")
        daemon = make(account).start()
        daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")
        with daemon.client() as client:
            for method in ("system.status", "system.config", "account.list", "journal.tail"):
                client.call(method)
            told = client.raw
        daemon.kill()

    contents = [told, *left_behind(daemon).values()]
    secrets = (b"wrong-horse-battery", App().api_secret.encode(), SimClient().totp_secret.encode())
    assert not [secret for secret in secrets for content in contents if secret in content]


def test_the_process_leaves_no_core_and_state_is_for_its_owner_alone(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    assert daemon.process is not None
    process = Path(f"/proc/{daemon.process.pid}")

    limits = (process / "limits").read_text()
    owner = (process / "environ").stat().st_uid
    modes = {path.stat().st_mode & 0o077 for path in [daemon.state, *daemon.state.rglob("*")]}

    assert re.search(r"Max core file size +0 +0 ", limits)
    assert owner == 0 or os.getuid() != owner  # not dumpable: root's, whoever runs it
    assert modes == {0}
