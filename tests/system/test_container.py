"""The image built from the Dockerfile, and run as compose.yaml says: by buildah and podman, for there is no engine to ask.

The base image cannot be fetched here: a Debian made by debootstrap, with its Python, bears its name. Nothing is fetched in the
build either: the wheels are beside the tree, as docs/install.md tells those without an index to do. What this does not show:
Docker's own reading of compose.yaml, a bridge network, and health checks at their intervals (podman leaves those to systemd).
"""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.promises.daemon import until
from tests.system.machine import made, missing
from tests.test_container import compose, daemon_service, instructions, last, passes, seconds

NEEDED = ("buildah", "podman", "runc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing(*NEEDED)), reason=f"no image can be made here: {missing(*NEEDED)}"
    ),
]

ROOT = Path(__file__).parents[2]
CONFIG = """
[access.groups]
ordo = "trade"
[accounts.paper]
broker = "paper"
"""
BUILD_S = 900
COMMAND_S = 120


class Engine:
    """buildah and podman on a storage of their own. Volumes and containers go with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._storage = ["--root", f"{folder}/storage", "--runroot", f"{folder}/run"]
        self._storage += ["--storage-driver", "vfs"]

    def buildah(self, *asked: str | Path) -> str:
        return _run(["buildah", *self._storage, *asked], BUILD_S).stdout.strip()

    def podman(self, *asked: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        runtime = ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        command = ["podman", *self._storage, *runtime, "--volumepath", f"{self.folder}/volumes"]
        return _run([*command, *asked], COMMAND_S, check=check)

    def run(
        self, service: dict[str, Any], *more: str | Path, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """A container as compose.yaml describes the service."""
        nofile = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        words: list[str | Path] = [
            "--user",
            service["user"],
            "--read-only",
            "--read-only-tmpfs=false",
        ]
        words += [f"--cap-drop={name}" for name in service["cap_drop"]]
        words += ["--security-opt=no-new-privileges", "--network=host", "--no-healthcheck"]
        words += [f"--ulimit=nofile={nofile}:{nofile}", "--ulimit=nproc=4096:4096"]
        words += [f"--group-add={group}" for group in service.get("group_add", ())]
        for volume in service["volumes"]:
            if isinstance(volume, dict):
                volume = f"{self.folder / 'etc'}:{volume['target']}:ro"
            if not volume.startswith("/etc/machine-id"):
                words += ["--volume", volume]
        words += [f"--tmpfs={one}" for one in service.get("tmpfs", ())]
        for limit, option in (("mem_limit", "--memory"), ("pids_limit", "--pids-limit")):
            words += [f"{option}={service[limit]}"] if limit in service else []
        if "entrypoint" in service:
            program, *arguments = service["entrypoint"]
            return self.podman(
                "run", *words, "--entrypoint", program, *more, "ordod", *arguments, check=check
            )
        return self.podman("run", *words, *more, "ordod", check=check)


def _run(
    command: list[str | Path], timeout_s: float, *, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "BUILDAH_ISOLATION": "chroot",
        },
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With the image `ordod`."""
    folder = tmp_path_factory.mktemp("engine")
    context = folder / "context"
    context.mkdir()
    for path in ROOT.iterdir():
        if passes(path.name) or path.name in ("Dockerfile", ".dockerignore"):
            _run(["cp", "-r", path, context], COMMAND_S)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", f"{context}/wheels"]
    subprocess.run([*pip, ROOT, "hatchling"], check=True)
    for wheel in (context / "wheels").glob("ordod-*"):
        wheel.unlink()
    engine = Engine(folder)
    base = next(rest.split()[0] for word, rest in instructions() if word == "FROM")
    container = engine.buildah("from", "scratch")
    engine.buildah("add", "--quiet", container, made(), "/")
    engine.buildah(
        "config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container
    )
    engine.buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{base}")
    build = ["bud", "--format=docker", "--pull-never", "--build-arg=PIP_NO_INDEX=1", "--tag=ordod"]
    engine.buildah(*build, context)
    try:
        yield engine
    finally:
        engine.podman("rm", "--force", "--all", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running(engine: Engine) -> Engine:
    """The daemon of compose.yaml, in the container `ordod`."""
    etc = engine.folder / "etc"
    etc.mkdir()
    (etc / "ordod.conf").write_text(CONFIG)
    for path in (etc, etc / "ordod.conf"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        shutil.chown(path, 10001, 10001)
    _start(engine)
    return engine


def _start(engine: Engine) -> None:
    engine.run(daemon_service(), "--detach", "--replace", "--name=ordod")
    until(lambda: _health(engine) == 0)
    until(lambda: all(one["can_trade"] for one in _ordoctl(engine, "status")["accounts"]))


def _health(engine: Engine) -> int:
    check = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    return engine.podman("exec", "ordod", *check, check=False).returncode


def _ordoctl(engine: Engine, *asked: str) -> Any:
    return json.loads(engine.podman("exec", "ordod", "ordoctl", "--json", *asked).stdout)


def _place(engine: Engine, key: str) -> Any:
    words = ("place", "buy", "1", "NSE:INFY", "--product", "CNC", "--key", key, "--yes")
    return _ordoctl(engine, *words)["order"]


def test_what_runs_has_no_right_and_writes_on_its_volumes_alone(running: Engine) -> None:
    status = running.podman("exec", "ordod", "cat", "/proc/1/status").stdout
    written = {
        place: running.podman("exec", "ordod", "touch", f"{place}/x", check=False).returncode == 0
        for place in (
            "/",
            "/opt/ordod",
            "/etc/ordod",
            "/home",
            "/var",
            "/tmp",
            "/run/ordod",
            "/var/lib/ordod",
        )
    }
    owned = running.podman("exec", "ordod", "stat", "-c%u:%g:%a", "/run/ordod/ordod.sock").stdout

    assert "Name:\tordod" in status
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert all(f"{name}:\t0000000000000000" in status for name in ("CapEff", "CapPrm", "CapBnd"))
    assert "NoNewPrivs:\t1" in status
    assert [place for place, could in written.items() if could] == [
        "/tmp",
        "/run/ordod",
        "/var/lib/ordod",
    ]
    assert owned.strip() == "10001:10001:660"


def test_a_bot_of_the_group_trades_and_one_that_is_not_does_not_connect(running: Engine) -> None:
    bot = compose()["services"]["bot"]
    stranger = bot | {"group_add": []}

    told = running.run(bot, "--rm")
    refused = running.run(stranger, "--rm", check=False)

    assert "READY" in told.stdout
    assert refused.returncode == 3
    assert "this user may not open it" in refused.stderr


def test_a_new_container_goes_on_with_the_state_of_the_one_before(running: Engine) -> None:
    order = _place(running, "before")
    begun = running.podman("inspect", "--format={{.State.Pid}}", "ordod").stdout

    grace = str(seconds(daemon_service()["stop_grace_period"]))
    running.podman("stop", f"--time={grace}", "ordod")
    state = json.loads(running.podman("inspect", "ordod").stdout)[0]["State"]
    _start(running)

    assert state["ExitCode"] == 0  # it ended in order, within its time
    assert running.podman("inspect", "--format={{.State.Pid}}", "ordod").stdout != begun
    assert _place(running, "before")["order_id"] == order["order_id"]
    assert not _ordoctl(running, "status")["kill"]["engaged"]  # the volume is the one it was


def test_killed_outright_the_next_one_knows_every_key(running: Engine) -> None:
    order = _place(running, "before-the-kill")

    running.podman("kill", "--signal=KILL", "ordod")
    _start(running)

    assert _place(running, "before-the-kill")["order_id"] == order["order_id"]


def test_usr1_stops_everything_and_hup_reads_the_file_again(running: Engine) -> None:
    config = running.folder / "etc/ordod.conf"
    config.write_text(CONFIG.replace('"trade"', '"read"'))
    running.podman("kill", "--signal=HUP", "ordod")
    until(lambda: "reload" in running.podman("logs", "ordod").stderr.lower())

    running.podman("kill", "--signal=USR1", "ordod")
    until(lambda: _ordoctl(running, "status")["kill"]["engaged"])
    running.podman("restart", "--time=20", "ordod")
    until(lambda: _health(running) == 0)

    assert _ordoctl(running, "status")["kill"]["engaged"]


def test_a_real_broker_is_refused_where_the_state_is_in_memory(running: Engine) -> None:
    kite = '[accounts.kite]\nbroker = "zerodha"\napi_key = "k"\naccess_token = "t"\nuser_id = "AB1234"\n'
    (running.folder / "etc/ordod.conf").write_text(CONFIG + kite)
    service = daemon_service()
    with TemporaryDirectory(dir="/dev/shm") as memory:
        shutil.chown(memory, 10001, 10001)
        kept = [one for one in service["volumes"] if one != "state:/var/lib/ordod"]
        service["volumes"] = [*kept, f"{memory}:/var/lib/ordod"]
        done = running.run(service, "--rm", check=False)

    assert done.returncode == 1
    assert "state directory /var/lib/ordod is on tmpfs" in done.stderr
