"""Ordo as a service on a real systemd: installed, started, killed, hung, restarted, rebooted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.machine import Machine, missing, running

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no machine is made here: {missing()}")

ROOT = Path(__file__).parents[2]
CONFIG = """
[access.groups]
ordo = "trade"
[accounts.paper]
broker = "paper"
"""
WITH_CREDENTIAL = """
[accounts.kite]
broker = "zerodha"
base_url = "http://127.0.0.1:9"
user_id = "AB1234"
api_key = "credential:kite_key"
access_token = "credential:kite_key"
doubt_horizon_s = 1
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With Ordo installed from this repository, two users, of whom `bot` may trade."""
    wheels = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(pip, check=True)
    with running(tmp_path_factory.mktemp("machine")) as made:
        for name in ("systemd", "ordod.conf.example"):
            subprocess.run(["cp", "-r", str(ROOT / name), str(made.root / "root")], check=True)
        subprocess.run(["cp", "-r", str(wheels), str(made.root / "root/wheels")], check=True)
        made.run("sh", "/root/systemd/install.sh", "--wheels", "/root/wheels")
        made.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
        made.run("chgrp", "ordod", "/etc/ordod/ordod.conf")
        for user in ("bot", "stranger"):
            made.run("useradd", "--create-home", user)
        made.run("usermod", "--append", "--groups", "ordo", "bot")
        made.run("systemctl", "restart", "ordod")
        yield made


def ordoctl(machine: Machine, *asked: str, user: str = "root", check: bool = True) -> Any:
    done = machine.run("ordoctl", "--json", *asked, user=user, check=check)
    return json.loads(done.stdout) if done.stdout else {}


def place(machine: Machine, key: str, user: str = "bot") -> Any:
    words = ("place", "buy", "1", "NSE:INFY", "--product", "CNC", "--account", "paper")
    return ordoctl(machine, *words, "--key", key, "--yes", user=user)["order"]


def main_pid(machine: Machine) -> str:
    return machine.run("systemctl", "show", "--property=MainPID", "--value", "ordod").stdout.strip()


def is_active(machine: Machine) -> bool:
    return machine.run("systemctl", "is-active", "ordod", check=False).stdout.strip() == "active"


def comes_back(machine: Machine, before: str) -> None:
    machine.comes(lambda: is_active(machine) and main_pid(machine) not in ("0", before))


def test_who_is_in_the_group_places_an_order_and_who_is_not_does_not_even_connect(
    machine: Machine,
) -> None:
    order = place(machine, "first")
    done = machine.run("ordoctl", "status", user="stranger", check=False)

    assert order["status"] in ("FILLED", "OPEN", "PENDING")
    assert done.returncode == 3
    assert "this user may not open it" in done.stderr
    machine.comes(
        lambda: "1 of 1 accounts can trade" in machine.run("systemctl", "status", "ordod").stdout
    )


def test_what_the_units_promise_holds_for_the_process(machine: Machine) -> None:
    pid = main_pid(machine)
    status = machine.run("cat", f"/proc/{pid}/status").stdout
    limits = machine.run("cat", f"/proc/{pid}/limits").stdout
    exposed = machine.run(
        "systemd-analyze", "security", "--threshold=12", "ordod.service", check=False
    )
    owned = machine.run("stat", "--format=%U:%G:%a", "/run/ordod/ordod.sock", "/var/lib/ordod")

    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "CapEff:\t0000000000000000" in status
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[-3:] == ["0", "0", "bytes"]
    assert exposed.returncode == 0, exposed.stdout[-300:]
    assert owned.stdout.split() == ["ordod:ordo:660", "ordod:ordod:700"]


def test_killed_it_comes_back_and_the_same_key_is_the_same_order(machine: Machine) -> None:
    order = place(machine, "before-the-kill")
    before = main_pid(machine)

    machine.run("systemctl", "kill", "--signal=KILL", "ordod")
    comes_back(machine, before)
    again = place(machine, "before-the-kill")

    assert again["order_id"] == order["order_id"]
    verified = ordoctl(machine, "journal", "verify", "/var/lib/ordod", user="ordod")
    assert verified["damage"] is None


def test_a_reload_takes_what_the_file_says_and_goes_on(machine: Machine) -> None:
    before = main_pid(machine)
    machine.write("/etc/ordod/ordod.conf", CONFIG.replace('"trade"', '"read"'), 0o640)
    machine.run("systemctl", "reload", "ordod")
    words = ("place", "buy", "1", "NSE:INFY", "--product", "CNC", "--account", "paper")
    machine.comes(
        lambda: (
            "FORBIDDEN"
            in machine.run("ordoctl", *words, "--key", "no", "-y", user="bot", check=False).stderr
        )
    )
    machine.write("/etc/ordod/ordod.conf", CONFIG + "\nnonsense = 1\n", 0o640)
    bad = machine.run("systemctl", "reload", "ordod", check=False)
    told = machine.run("journalctl", "--unit=ordod", "--no-pager", "-n", "20").stdout
    machine.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
    machine.run("systemctl", "reload", "ordod")
    machine.comes(lambda: place(machine, "after-the-reload"))

    assert bad.returncode != 0
    assert "nonsense" in told
    assert main_pid(machine) == before


def test_hung_it_is_restarted_by_the_watchdog(machine: Machine) -> None:
    drop_in = "/etc/systemd/system/ordod.service.d/watchdog.conf"
    machine.write(drop_in, "[Service]\nWatchdogSec=4\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ordod")
    before = main_pid(machine)

    machine.run("systemctl", "kill", "--signal=STOP", "ordod")
    comes_back(machine, before)
    why = machine.run("journalctl", "--unit=ordod", "--no-pager").stdout
    (machine.root / drop_in.lstrip("/")).unlink()
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ordod")

    assert "Watchdog timeout" in why


def test_clients_wait_while_it_restarts_and_start_it_where_it_is_stopped(machine: Machine) -> None:
    machine.run("systemctl", "stop", "ordod.service")
    assert not is_active(machine)

    woken = ordoctl(machine, "status")
    with machine.start("systemctl", "restart", "ordod.service") as restart:
        through = [ordoctl(machine, "status")["state"] for _ in range(3)]
        assert restart.wait(60) == 0

    assert woken["version"]
    assert all(through)


def test_sigusr1_stops_everything_until_a_person_releases_it(machine: Machine) -> None:
    machine.run("systemctl", "kill", "--signal=USR1", "ordod")
    machine.comes(lambda: ordoctl(machine, "status")["kill"]["engaged"])
    told = machine.comes(lambda: "KILLED" in machine.run("systemctl", "status", "ordod").stdout)
    refused = machine.run(
        *(
            "ordoctl",
            "place",
            "buy",
            "1",
            "NSE:INFY",
            "--account",
            "paper",
            "--key",
            "killed",
            "-y",
        ),
        *("--product", "CNC"),
        user="bot",
        check=False,
    )
    ordoctl(machine, "release", "--reason", "the test is over")

    assert told
    assert refused.returncode == 1
    assert "KILLED" in refused.stderr
    assert place(machine, "released")["key"] == "released"


def test_a_secret_comes_as_an_encrypted_credential(machine: Machine) -> None:
    drop_in = "/etc/systemd/system/ordod.service.d/credential.conf"
    machine.write("/root/key", "a-key-of-the-app")
    machine.run("systemd-creds", "encrypt", "--name=kite_key", "/root/key", "/etc/ordod/kite.cred")
    machine.write("/etc/ordod/ordod.conf", CONFIG + WITH_CREDENTIAL, 0o640)
    machine.run("systemctl", "restart", "ordod", check=False)
    without = machine.run("journalctl", "--unit=ordod", "--no-pager", "-n", "20").stdout

    machine.write(drop_in, "[Service]\nLoadCredentialEncrypted=kite_key:/etc/ordod/kite.cred\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", "ordod", check=False)
    machine.run("systemctl", "restart", "ordod")
    accounts = {one["account"] for one in ordoctl(machine, "status")["accounts"]}
    machine.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
    (machine.root / drop_in.lstrip("/")).unlink()
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "ordod")

    assert "kite_key" in without  # it says which credential is not there
    assert accounts == {"paper", "kite"}
    assert "a-key-of-the-app" not in machine.run("journalctl", "--no-pager").stdout


def test_setup_adds_an_account_to_the_service_and_the_doctor_finds_it_well(
    machine: Machine,
) -> None:
    given = ("setup", "--yes", "--broker", "paper", "--account", "second")

    done = ordoctl(machine, *given)
    told = ordoctl(machine, "doctor", "--offline", check=False)

    assert done["order"]["status"] in ("FILLED", "PENDING", "OPEN")
    assert is_active(machine)
    results = {one["check"]: one["result"] for one in told["checks"]}
    watched = ("config", "store_key", "state_dir", "service", "boot", "watchdog", "socket", "core_dumps")  # fmt: skip
    assert {name: results[name] for name in watched} == dict.fromkeys(watched, "ok")
    machine.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
    machine.run("chgrp", "ordod", "/etc/ordod/ordod.conf")
    machine.run("systemctl", "restart", "ordod")


def test_the_doctor_shows_a_bot_the_daemon_and_skips_what_it_may_not_see(machine: Machine) -> None:
    told = ordoctl(machine, "doctor", "--offline", user="bot", check=False)

    results = {one["check"]: one["result"] for one in told["checks"]}
    assert (results["config"], results["store_key"], results["socket"]) == ("skipped", "skipped", "ok")  # fmt: skip
    assert told["counts"]["problem"] == 0


def test_it_is_upgraded_in_place_and_keeps_its_journal(machine: Machine) -> None:
    order = place(machine, "before-the-upgrade")

    said = machine.run("sh", "/root/systemd/install.sh", "--wheels", "/root/wheels").stdout

    assert "upgraded and restarted" in said
    assert place(machine, "before-the-upgrade")["order_id"] == order["order_id"]


def test_after_a_reboot_it_runs_and_knows_everything(machine: Machine) -> None:
    order = place(machine, "before-the-reboot")

    machine.reboot()
    machine.comes(lambda: is_active(machine))

    assert place(machine, "before-the-reboot")["order_id"] == order["order_id"]


def test_uninstalled_it_leaves_the_journal(machine: Machine) -> None:
    machine.run("sh", "/root/systemd/install.sh", "--uninstall")

    assert machine.run("systemctl", "is-active", "ordod.socket", check=False).returncode != 0
    assert machine.run("ls", "/var/lib/ordod/journal").stdout
    assert machine.run("ls", "/etc/ordod/ordod.conf").returncode == 0
    assert machine.run("which", "ordoctl", check=False).returncode == 1
