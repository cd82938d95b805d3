"""`ordoctl doctor`: whatever is wrong is broken for real here, found, and mended by the very command that it says."""

import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from ordoctl.commands.doctor import lines
from ordoctl.doctor import daemon, files, reaching
from ordoctl.doctor.examining import Asked, examine
from ordoctl.doctor.findings import Finding, Result
from ordoctl.doctor.machine import Limits, Machine, Space
from ordoctl.models import Account
from ordod.sim.process import SimProcess
from ordod.sim.process import running as simulated
from tests.acceptance.remote import Certificates
from tests.ordoctl.newcomer import Newcomer, newcomer
from tests.ordoctl.test_setup import APP, FROM_STDIN, KITE, TYPED, USER

Break = Callable[[Newcomer], object]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def broker() -> Iterator[SimProcess]:
    with simulated("--no-limits") as sim:
        yield sim


@pytest.fixture(scope="module")
def someone(tmp_path_factory: pytest.TempPathFactory, broker: SimProcess) -> Iterator[Newcomer]:
    """With a daemon that runs, an account on paper and one at a simulated broker. Whoever breaks it mends it."""
    with newcomer(tmp_path_factory.mktemp("home")) as one:
        one.secrets = TYPED
        commands = one.home / "bin"
        commands.mkdir()
        (commands / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (commands / "sudo").chmod(0o755)
        one.environment["PATH"] = f"{commands}{os.pathsep}{one.environment['PATH']}"
        given = "\n".join((APP.api_key, APP.api_secret, USER.password, USER.totp_secret))
        done = one.run("setup", "--yes", "--base-url", broker.url, *KITE, *FROM_STDIN, said=given)
        assert done.returncode == 0, done.stderr
        yield one


def found(one: Newcomer, check: str, *argv: str, about: str = "") -> dict[str, Any]:
    """What the doctor says of one check."""
    checks = one.json("doctor", *argv)["checks"]
    return next(each for each in checks if each["check"] == check and about in ("", each["about"]))


def do(one: Newcomer, command: str, said: str = "") -> None:
    """Type a command as it was shown."""
    ran = subprocess.run(
        ["bash", "-c", command], env=one.environment, input=said, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"


# The whole


def test_where_all_is_good_it_says_so_of_every_check_and_ends_with_0(someone: Newcomer) -> None:
    done = someone.run("doctor", "--json", "--deep")
    told = msgspec.json.decode(done.stdout)

    assert done.returncode == 0, done.stdout
    assert told["good"] is True
    assert set(told) == {"good", "counts", "checks"}
    assert set(told["counts"]) == {"ok", "warning", "problem", "skipped"}
    assert sum(told["counts"].values()) == len(told["checks"])
    assert all(set(one) == {"check", "about", "result", "message", "mend"} for one in told["checks"])  # fmt: skip
    good = {one["check"] for one in told["checks"] if one["result"] == "ok"}
    assert good >= {
        "config", "config_file", "secret", "store_key", "state_dir", "space", "journal",
        "socket", "version", "kill", "doubts", "core_dumps", "open_files", "session", "skew", "dns", "reach", "address", "memory",
    }  # fmt: skip


def test_no_line_is_wider_than_the_terminal_but_a_command_to_copy(someone: Newcomer) -> None:
    with someone.at_a_terminal("doctor", "--offline") as person:
        status = person.ends()

    assert status == 0
    shown = [line for line in person.shown.split("\n") if "→" not in line]
    assert max(map(len, shown)) <= 80
    assert "Configuration\n  ok " in person.shown
    assert "dns kite, reach kite, address kite: --offline" in person.shown


def test_without_a_configuration_it_says_to_set_up(tmp_path: Path) -> None:
    with newcomer(tmp_path) as nobody:
        done = nobody.run("doctor")

    assert done.returncode == 1
    assert "PROBLEM  config" in done.stdout
    assert "→ ordoctl setup\n" in done.stdout


# Broken, and mended by what it says


def logged_out(one: Newcomer) -> None:
    one.run("logout", "paper")


def killed(one: Newcomer) -> None:
    one.run("kill", "--reason", "a test")


@pytest.mark.parametrize(
    ("breaks", "check", "result", "mend"),
    [
        (lambda one: one.config.chmod(0o602), "config_file", "problem", "chmod go-w ~/.config/ordod/ordod.conf"),
        (lambda one: one.config.chmod(0o604), "config_file", "warning", "chmod o-rwx ~/.config/ordod/ordod.conf"),
        (lambda one: one.state.chmod(0o755), "state_dir", "problem", "chmod 700 ~/.local/state/ordod"),
        (lambda one: (one.state / "secrets.store").chmod(0o640), "store_key", "problem", "chmod 600 {state}/secrets.store"),
        (lambda one: one.key.chmod(0o644), "store_key", "problem", "chmod 600 {key}"),
        (killed, "kill", "problem", "ordoctl release --reason WHY"),
        (logged_out, "session", "problem", "ordoctl login paper"),
    ],
)  # fmt: skip
def test_what_is_broken_is_found_and_the_command_it_says_mends_it(
    someone: Newcomer, breaks: Break, check: str, result: str, mend: str
) -> None:
    about = "paper" if check == "session" else ""
    breaks(someone)

    broken = found(someone, check, "--offline", about=about)
    do(someone, broken["mend"])
    mended = found(someone, check, "--offline", about=about)

    assert broken["result"] == result, broken
    assert broken["mend"] == mend.format(state=someone.state, key=someone.key)
    assert mended["result"] == "ok", mended


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Newcomer, Certificates]]:
    """Somebody whose configuration has a certificate, and no daemon that runs."""
    with newcomer(tmp_path) as one:
        made = Certificates(tmp_path / "tls", "trade.example")
        one.state.mkdir(parents=True, mode=0o700)
        one.config.parent.mkdir(parents=True)
        one.config.touch(0o600)
        one.config.write_text(
            f'[daemon]\ntcp = "127.0.0.1:7878"\ntls_cert = "{made.cert}"\ntls_key = "file:{made.key}"\n'
            '[accounts.paper]\nbroker = "paper"\n'
        )
        yield one, made


def test_a_certificate_is_looked_at_before_its_clients_are_cut_off(
    remote: tuple[Newcomer, Certificates],
) -> None:
    one, made = remote
    good = found(one, "certificate", "--offline")
    made.issue("trade.example", ends_at=datetime.now(UTC) + timedelta(days=5))
    soon = found(one, "certificate", "--offline")
    made.key.chmod(0o644)
    open_to_all = found(one, "certificate", "--offline")
    do(one, open_to_all["mend"])
    mended = found(one, "certificate", "--offline")

    assert (good["result"], good["message"]) == ("ok", "for trade.example")
    assert soon["result"] == mended["result"] == "warning"
    assert "ends on" in soon["message"]
    assert (open_to_all["result"], open_to_all["mend"]) == ("problem", f"chmod 600 {made.key}")


def test_tokens_that_end_soon_are_told_by_name_and_those_that_do_not_are_counted(
    remote: tuple[Newcomer, Certificates],
) -> None:
    one, _ = remote
    none = [each["check"] for each in one.json("doctor", "--offline")["checks"]]
    do(one, "ordoctl token new scalper trade --expires 90d")
    good = found(one, "tokens", "--offline")
    do(one, "ordoctl token new screen read --expires 3d")
    soon = found(one, "tokens", "--offline")
    do(one, "ordoctl token revoke screen")
    mended = found(one, "tokens", "--offline")

    assert "tokens" not in none
    assert (good["result"], good["message"]) == ("ok", "1 token")
    assert soon["result"] == "warning"
    assert "screen on 20" in soon["message"]
    assert "scalper" not in soon["message"]
    assert mended["result"] == "ok"


def test_a_secret_that_is_not_in_the_store_is_named_and_set_by_the_command(
    someone: Newcomer,
) -> None:
    someone.run("secret", "rm", "kite_password")

    broken = found(someone, "secret", "--offline", about="kite.password")
    do(someone, broken["mend"], said=USER.password)

    assert (broken["result"], broken["mend"]) == ("problem", "ordoctl secret set kite_password")
    assert found(someone, "secret", "--offline", about="kite.password")["result"] == "ok"


def test_a_store_whose_key_is_gone_is_a_problem_until_it_is_back(someone: Newcomer) -> None:
    away = someone.key.rename(someone.home / "away")

    broken = found(someone, "store_key", "--offline")
    away.rename(someone.key)

    assert broken["result"] == "problem"
    assert "is nowhere" in broken["message"]
    assert found(someone, "store_key", "--offline")["result"] == "ok"


def test_a_dead_socket_a_killed_daemon_on_the_disk_and_a_damaged_journal(tmp_path: Path) -> None:
    with newcomer(tmp_path) as one:
        one.run("setup", "--yes", "--broker", "paper")
        one.run("kill", "--reason", "a test")
        os.kill(int((one.state / "lock").read_text()), signal.SIGKILL)

        dead = one.json("doctor", "--offline")
        segment = next((one.state / "journal").glob("*.ndjson"))
        content = bytearray(segment.read_bytes())
        content[content.index(b'"type":"intent"') + 9] ^= 1
        segment.write_bytes(content)
        damaged = found(one, "journal", "--offline")
        do(one, damaged["mend"])
        repaired = found(one, "journal", "--offline", "--deep")

        by_name = {each["check"]: each for each in dead["checks"]}
        assert dead["good"] is False
        assert by_name["socket"]["result"] == "problem"
        assert "Connection refused" in by_name["socket"]["message"]
        assert by_name["socket"]["mend"] == "ordod --config ~/.config/ordod/ordod.conf"
        assert by_name["kill"]["result"] == "problem"
        assert "will start killed" in by_name["kill"]["message"]
        assert by_name["session"]["result"] == "skipped"
        assert damaged["result"] == "problem"
        assert damaged["mend"] == "ordoctl journal repair ~/.local/state/ordod"
        assert repaired["result"] == "ok", repaired

        do(one, f"{by_name['socket']['mend']} >/dev/null 2>&1 & sleep 0")
        wait_for_socket(one)
        assert found(one, "socket", "--offline")["result"] == "ok"


def wait_for_socket(one: Newcomer) -> None:
    for _ in range(600):
        with socket.socket(socket.AF_UNIX) as link:
            if link.connect_ex(str(one.socket)) == 0:
                return
        threading.Event().wait(0.05)
    raise AssertionError("no daemon came")


# The network


def configured(one: Newcomer, more: str) -> str:
    """Another configuration on the same state."""
    file = one.home / "other.conf"
    file.touch(0o600)
    file.write_text(one.config.read_text() + more)
    return str(file)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_name_that_does_not_resolve_is_told_with_the_name(someone: Newcomer) -> None:
    urls = '[accounts.kite.urls]\nweb = "https://no-such-broker.invalid"\n'

    one = found(someone, "dns", "--config", configured(someone, urls))

    assert one["result"] == "problem"
    assert "no-such-broker.invalid is not found" in one["message"]
    assert one["mend"].startswith("getent hosts no-such-broker.invalid")


def test_a_host_that_refuses_is_told_with_its_port(someone: Newcomer) -> None:
    port = free_port()
    urls = f'[accounts.kite.urls]\nweb = "http://127.0.0.1:{port}"\n'

    one = found(someone, "reach", "--config", configured(someone, urls))

    assert one["result"] == "problem"
    assert f"127.0.0.1:{port}: Connection refused" in one["message"]


def test_an_address_that_this_machine_lacks_is_told(someone: Newcomer) -> None:
    file = Path(configured(someone, ""))
    file.write_text(file.read_text().replace("login =", 'source_address = "192.0.2.77"\nlogin ='))

    one = found(someone, "source_address", "--config", str(file))

    assert one["result"] == "problem"
    assert "192.0.2.77 is no address of this machine" in one["message"]


def test_a_tls_host_is_shaken_hands_with_and_hears_not_a_byte() -> None:
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    heard: list[bytes] = []

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                link, _ = server.accept()
                try:
                    with theirs.wrap_socket(link, server_side=True) as tls:
                        heard.append(tls.recv(100))
                except OSError:
                    link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        target = reaching.Target("localhost", server.getsockname()[1], is_tls=True, source=None)
        trusted = reaching.Way(ours).reach(target)
        doubted = reaching.Way().reach(target)
        thread.join(30)

    assert (trusted.unreached, trusted.local) == ("", "127.0.0.1")
    assert trusted.tls.startswith("TLSv1.")
    assert "certificate" in doubted.unreached
    assert set(heard) <= {b""}


# What this machine does not have, handed in


class Poor(Machine):
    """A machine that is short of everything, with a clock nobody sets."""

    def is_clock_synchronised(self) -> bool | None:
        return False

    def space(self, folder: Path) -> Space:
        return Space(3 * MIB, 20)

    def filesystem(self, folder: Path) -> str:
        return "tmpfs"

    def sync_s(self, folder: Path) -> float | None:
        return 0.2

    def limits(self, pid: int) -> Limits | None:
        return Limits(core_bytes=None, open_files=64)

    def memory_left(self) -> int | None:
        return 5 * MIB


def examined(one: Newcomer, machine: Machine, config: str | None = None) -> dict[str, Finding]:
    asked = Asked(config=Path(config) if config else None, offline=True)
    found = examine(asked, machine, reaching.Way(), one.environment)
    return {finding.check: finding for finding in found}


def test_a_machine_that_is_short_of_everything_is_told_of_each(someone: Newcomer) -> None:
    found = examined(someone, Poor())

    results = {name: finding.result.value for name, finding in found.items() if finding.mend}
    assert results == {
        "filesystem": "warning",  # the broker is on loopback: no money at stake
        "space": "problem",
        "inodes": "problem",
        "disk_sync": "warning",
        "core_dumps": "problem",
        "open_files": "problem",
        "clock": "warning",
        "memory": "problem",
    }
    assert found["clock"].mend.startswith("sudo timedatectl set-ntp true")
    assert found["open_files"].mend.startswith("ulimit -n 65536")


def test_a_real_account_on_a_file_system_that_forgets_is_a_problem(someone: Newcomer) -> None:
    real = configured(someone, '[accounts.real]\nbroker = "zerodha"\napi_key = "env:NONE"\n')

    found = examined(someone, Poor(), real)

    assert found["filesystem"].result is Result.PROBLEM
    assert "the real account real needs a local disk" in found["filesystem"].message


def test_the_kernel_says_whether_the_clock_is_synchronised_and_what_is_left() -> None:
    machine = Machine()

    assert machine.is_clock_synchronised() in (True, False)
    assert (machine.memory_left() or 0) > MIB
    limits = machine.limits(os.getpid())
    assert limits is not None
    assert limits.open_files is None or limits.open_files > 0


@pytest.mark.parametrize(
    ("skew", "result"), [(None, "skipped"), (0, "ok"), (4, "ok"), (-61, "problem"), (61, "problem")]
)
def test_a_clock_far_from_the_brokers_is_a_problem(skew: int | None, result: str) -> None:
    account = Account(account="kite", broker="zerodha", clock_skew_s=skew, is_real=True)

    (finding,) = daemon.skews((account,))

    assert finding.result.value == result


def test_a_service_that_is_down_not_enabled_and_not_watched() -> None:
    unit = {"ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled", "WatchdogUSec": "0"}  # fmt: skip

    found = {finding.check: finding for finding in daemon.service(unit)}

    assert found["service"].mend == "sudo systemctl start ordod.socket ordod.service"
    assert found["boot"].mend == "sudo systemctl enable ordod.socket ordod.service"
    assert "WatchdogSec=30" in found["watchdog"].mend
    assert found["service"].result is Result.PROBLEM


def test_a_user_service_ends_with_its_user_unless_they_linger() -> None:
    unit = {"LoadState": "loaded", "ActiveState": "active"}

    ends = {finding.check: finding for finding in daemon.user_service(unit, False, "asha")}
    stays = {finding.check: finding for finding in daemon.user_service(unit, True, "asha")}

    assert ends["boot"].mend == "sudo loginctl enable-linger asha"
    assert stays["boot"].result is Result.OK


def test_an_older_daemon_is_told_to_be_restarted() -> None:
    finding = daemon.version("0.0.9", "0.1.0", "3.11.7", "sudo systemctl restart ordod.service")

    assert finding.result is Result.WARNING
    assert finding.mend == "sudo systemctl restart ordod.service"


def test_a_secret_file_of_another_user_is_told() -> None:
    facts = Machine().look(Path("/etc/passwd"))
    assert facts is not None

    finding = files.secret_file("kite", "pin", Path("/x/pin"), msgspec.structs.replace(facts, mode=0o600, uid=7), {7: "lp", 8: "ordod"}, daemon_uid=8)  # fmt: skip

    assert finding.result is Result.PROBLEM
    assert finding.mend == "sudo chown ordod /x/pin"


# Whoever looks


@pytest.mark.skipif(os.getuid() != 0, reason="it takes root to become somebody else")
@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # from Python 3.12 on, where a thread lives
def test_somebody_who_may_see_nothing_is_told_why_and_never_of_a_problem(
    someone: Newcomer,
) -> None:
    examined(someone, Machine())  # everything is imported before the rights go
    ours, theirs = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            asked = Asked(config=someone.config, socket=str(someone.socket), offline=True)
            seen = list(examine(asked, Machine(), reaching.Way(), someone.environment))
            os.write(theirs, msgspec.json.encode(seen))
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with open(ours, "rb") as pipe:  # noqa: PTH123 - a descriptor
        seen = msgspec.json.decode(pipe.read(), type=list[Finding])

    by_name = {finding.check: finding for finding in seen}
    assert not [finding for finding in seen if finding.result is Result.PROBLEM]
    assert by_name["config"].result is Result.SKIPPED
    assert by_name["config"].mend == "sudo ordoctl doctor"
    assert by_name["store_key"].result is Result.SKIPPED
    assert by_name["socket"].result is Result.SKIPPED
    assert "usermod -aG ordo" in by_name["socket"].mend


class Stranger(Machine):
    """Who may read the configuration, and does not run the daemon."""

    @property
    def uid(self) -> int:
        return 65533


def test_what_the_daemon_keeps_is_for_its_user_and_root_alone(someone: Newcomer) -> None:
    found = examined(someone, Stranger())

    kept = ("secret", "store_key", "state_dir", "filesystem", "space", "inodes", "disk_sync", "journal")  # fmt: skip
    assert {found[check].result for check in kept} == {Result.SKIPPED}
    assert {found[check].mend for check in kept} == {"sudo ordoctl doctor"}
    assert found["config"].result is Result.OK


@pytest.mark.skipif(os.getuid() != 0, reason="it takes root to give a folder away")
def test_a_state_directory_that_became_roots_is_given_back(someone: Newcomer) -> None:
    os.chown(someone.config, 65533, 65533)

    found = examined(someone, Machine())
    os.chown(someone.config, 0, 0)

    assert found["state_dir"].result is Result.PROBLEM
    assert found["state_dir"].mend == "sudo chown -R 65533 ~/.local/state/ordod".replace("~", str(someone.home))  # fmt: skip


def test_what_was_skipped_for_one_reason_stands_together() -> None:
    skips = [Finding(check=name, result=Result.SKIPPED, message="why") for name in ("dns", "reach")]

    assert lines(skips, 80) == ["Accounts", "  -        dns, reach: why", "\n2 checks: 2 skipped"]


@pytest.mark.parametrize("command", ["setup", "doctor"])
def test_help_and_completion_know_it(someone: Newcomer, command: str) -> None:
    assert "--config FILE" in someone.run(command, "--help").stdout
    for shell in ("bash", "zsh", "fish"):
        assert command in someone.run("completion", shell).stdout
