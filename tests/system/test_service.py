"""Ordo as a service on a real systemd: installed, started, killed, hung, restarted, rebooted."""

import json
import re
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
        install(made, "--wheels", "/root/wheels")
        made.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
        made.run("chgrp", "ordod", "/etc/ordod/ordod.conf")
        for user in ("bot", "stranger"):
            made.run("useradd", "--create-home", user)
        made.run("usermod", "--append", "--groups", "ordo", "bot")
        made.run("systemctl", "restart", "ordod")
        yield made


@pytest.fixture
def broken(machine: Machine, tmp_path: Path) -> str:
    """In the machine: all wheels, and Ordo 9.9.9, which says its version and no more."""
    names = ["pyproject.toml", "README.md", "LICENSE", "ordod", "ordoctl", "adapters"]
    names += ["systemd", "ordod.conf.example"]
    for name in names:
        subprocess.run(["cp", "-r", str(ROOT / name), str(tmp_path)], check=True)
    for name in ("pyproject.toml", "ordod/__init__.py"):
        file = tmp_path / name
        told = re.sub(r'ersion(__)? = "[^"]+"', r'ersion\1 = "9.9.9"', file.read_text(), count=1)
        file.write_text(told)
    file = tmp_path / "ordod/running.py"
    file.write_text(file.read_text() + "\nraise SystemExit('a bug of 9.9.9')\n")
    folder = machine.root / "root/broken"
    subprocess.run(["cp", "-r", str(machine.root / "root/wheels"), str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(tmp_path)], check=True)
    return "/root/broken"


def install(
    machine: Machine, *asked: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    return machine.run("sh", "/root/systemd/install.sh", *asked, check=check)


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


def test_the_system_s_journal_knows_the_level_of_each_line_of_the_log(machine: Machine) -> None:
    ordoctl(machine, "kill", "--reason", "a drill")
    ordoctl(machine, "release", "--reason", "over")

    machine.run("journalctl", "--sync")
    warnings = machine.run("journalctl", "-u", "ordod", "-o", "cat", "-p", "warning").stdout
    every = machine.run("journalctl", "-u", "ordod", "-o", "cat").stdout

    assert '"event":"killed"' in warnings
    assert '"event":"ready"' not in warnings
    assert '\n{"at":' in every  # and the line is as it was


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


NOTIFY = """#!/bin/sh
state=/var/lib/ordod
cat > $state/told
id -un > $state/who
python3 -c 'print("python runs")' >> $state/who
touch /etc/ordod/x /usr/local/bin/x /home/x 2>> $state/refused
ls /home /root >> $state/seen 2>> $state/refused
exit 0
"""


def test_a_receivers_command_runs_within_the_units_bounds(machine: Machine) -> None:
    machine.write("/usr/local/bin/notify", NOTIFY, 0o755)
    pager = '[alerts.pager]\ncommand = ["/usr/local/bin/notify"]\n'
    machine.write("/etc/ordod/ordod.conf", CONFIG + pager, 0o640)
    machine.run("systemctl", "reload", "ordod")

    tried = ordoctl(machine, "alert", "test")
    machine.run("systemctl", "kill", "--signal=USR1", "--kill-whom=main", "ordod")
    state = machine.root / "var/lib/ordod"
    machine.comes(lambda: '"kill"' in (state / "told").read_text())
    ordoctl(machine, "release", "--reason", "a test")
    machine.write("/etc/ordod/ordod.conf", CONFIG, 0o640)
    machine.run("systemctl", "reload", "ordod")

    assert tried["results"] == [{"receiver": "pager", "delivered": True, "problem": ""}]
    assert (state / "who").read_text() == "ordod\npython runs\n"
    refused = (state / "refused").read_text()
    assert all(place in refused for place in ("/etc/ordod/x", "/usr/local/bin/x", "/home/x"))
    assert (state / "seen").read_text().split() in ([], ["/home:"])


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


def test_what_systemd_does_not_start_any_more_is_started_by_what_the_doctor_says(
    machine: Machine,
) -> None:
    restart = ("systemctl", "restart", "ordod")
    machine.comes(lambda: machine.run(*restart, check=False).returncode != 0)  # the sixth at most
    told = ordoctl(machine, "doctor", "--offline", check=False)
    mends = {one["check"]: one["mend"] for one in told["checks"] if one["result"] == "problem"}

    machine.run("sh", "-euc", mends["service"].replace("sudo ", ""))

    assert is_active(machine)
    assert mends["socket"] == mends["service"]
    assert ordoctl(machine, "status")["state"]


def test_an_upgrade_after_many_restarts_is_not_taken_for_one_that_does_not_start(
    machine: Machine,
) -> None:
    machine.run("systemctl", "reset-failed", "ordod")
    for _ in range(5):  # systemd would refuse the next
        machine.run("systemctl", "restart", "ordod")

    said = install(machine, "--wheels", "/root/wheels").stdout

    assert "upgraded and restarted" in said
    assert is_active(machine)


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


def test_an_older_copy_of_its_state_put_back_starts_killed(machine: Machine) -> None:
    machine.run("systemctl", "stop", "ordod.socket", "ordod.service")
    machine.run("cp", "-a", "/var/lib/ordod/.", "/root/older")
    machine.run("systemctl", "start", "ordod.socket", "ordod.service")
    place(machine, "after-the-copy")
    machine.run("systemctl", "stop", "ordod.socket", "ordod.service")

    machine.run("sh", "-c", "rm -r /var/lib/ordod/* && cp -a /root/older/. /var/lib/ordod/")
    machine.run("systemctl", "start", "ordod.socket", "ordod.service")
    kill = ordoctl(machine, "call", "kill.status")
    ordoctl(machine, "release", "--reason", "a test")

    assert kill["engaged"]
    assert "was told, but the journal ends with" in json.dumps(kill)


def test_it_is_upgraded_in_place_and_keeps_its_journal(machine: Machine) -> None:
    order = place(machine, "before-the-upgrade")
    before = main_pid(machine)

    said = install(machine, "--wheels", "/root/wheels").stdout

    assert "upgraded and restarted" in said
    assert main_pid(machine) != before
    assert place(machine, "before-the-upgrade")["order_id"] == order["order_id"]
    (release,) = machine.run("ls", "/opt/ordod-releases").stdout.split()
    assert machine.run("readlink", "/opt/ordod").stdout.strip().endswith(release)


def test_an_upgrade_that_does_not_start_is_taken_back(machine: Machine, broken: str) -> None:
    order = place(machine, "before-the-bad-upgrade")
    release = machine.run("readlink", "/opt/ordod").stdout
    units = machine.run("cat", "/etc/systemd/system/ordod.service").stdout

    done = install(machine, "--wheels", broken, check=False)

    assert done.returncode == 1
    assert "ordod 9.9.9 does not start; its last words:" in done.stderr
    assert "a bug of 9.9.9" in done.stderr
    assert "not upgraded: ordod 0." in done.stderr
    machine.comes(lambda: is_active(machine))
    assert place(machine, "before-the-bad-upgrade")["order_id"] == order["order_id"]
    assert machine.run("readlink", "/opt/ordod").stdout == release
    assert machine.run("cat", "/etc/systemd/system/ordod.service").stdout == units
    assert machine.run("ls", "/opt/ordod-releases").stdout.split() == [release.strip()[-8:]]


def test_what_cannot_be_installed_changes_nothing(machine: Machine) -> None:
    before = main_pid(machine), machine.run("ls", "-lR", "/opt").stdout

    no_wheels = install(machine, "--wheels", "/etc", check=False)
    no_source = install(machine, check=False)
    machine.run("mkdir", "/root/few")
    machine.run("sh", "-c", "cp /root/wheels/ordod-*.whl /root/few")
    too_few = install(machine, "--wheels", "/root/few", check=False)
    no_python = machine.run(
        "env", "PYTHON=/bin/false", "sh", "/root/systemd/install.sh", check=False
    )
    no_root = machine.run("sh", "-c", "cp -r /root/systemd /srv && chmod -R a+rX /srv")
    no_root = machine.run("sh", "/srv/systemd/install.sh", user="stranger", check=False)

    assert [one.returncode for one in (no_wheels, no_source, too_few, no_python, no_root)] == [
        1
    ] * 5
    assert "there is no ordod-*.whl in /etc" in no_wheels.stderr
    assert "this is no checkout" in no_source.stderr
    assert "the wheels in /root/few are not enough" in too_few.stderr
    assert "nothing was changed" in too_few.stderr
    assert "Python 3.11 or newer with venv is needed" in no_python.stderr
    assert "run it as root" in no_root.stderr
    assert (main_pid(machine), machine.run("ls", "-lR", "/opt").stdout) == before


def test_what_was_stopped_by_a_person_is_upgraded_and_stays_stopped(machine: Machine) -> None:
    machine.run("systemctl", "stop", "ordod.socket", "ordod.service")

    said = install(machine, "--wheels", "/root/wheels").stdout

    assert "upgraded, and not started" in said
    assert not is_active(machine)
    machine.run("systemctl", "start", "ordod.socket", "ordod.service")


def test_after_a_reboot_it_runs_and_knows_everything(machine: Machine) -> None:
    order = place(machine, "before-the-reboot")

    machine.reboot()
    machine.comes(lambda: is_active(machine))

    assert place(machine, "before-the-reboot")["order_id"] == order["order_id"]


def test_uninstalled_it_leaves_the_journal(machine: Machine) -> None:
    place(machine, "before-the-uninstall")

    install(machine, "--uninstall")
    again = install(machine, "--uninstall")

    assert "gone" in again.stdout
    assert machine.run("systemctl", "is-active", "ordod.socket", check=False).returncode != 0
    assert machine.run("ls", "/var/lib/ordod/journal").stdout
    assert machine.run("ls", "/etc/ordod/ordod.conf").returncode == 0
    assert machine.run("which", "ordoctl", check=False).returncode == 1
    assert machine.run("ls", "/opt").stdout == ""


def test_installed_again_it_goes_on_with_what_was_there(machine: Machine) -> None:
    install(machine, "--wheels", "/root/wheels")

    history = ordoctl(machine, "order", "--key", "before-the-uninstall", "--account", "paper")
    assert history["order"]["key"] == "before-the-uninstall"


def test_purged_nothing_is_left(machine: Machine) -> None:
    install(machine, "--uninstall", "--purge")

    found = machine.run(
        "sh",
        "-c",
        "find / -xdev -name 'ordo*' -not -path '/root/*' -not -path '/proc/*' "
        "-not -path '/srv/*' -not -path '/var/log/*' -not -path '/run/*'; getent passwd ordod; getent group ordo",
        check=False,
    )
    assert found.stdout == ""
