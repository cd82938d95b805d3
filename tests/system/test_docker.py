"""What docs/install.md tells to type for a container, typed to a real Docker and its compose, in the document's order.

The engine is the test's own: it has a storage, a network and an /etc of its own, so that nothing of this machine changes. The base
image cannot be fetched here: a Debian made by debootstrap, with its Python, bears its name. Nor can the build fetch anything: the
wheels are beside the tree, as the document tells those without an index. Where a process may not have as many open files here as
compose.yaml gives the daemon, compose.override.yaml gives it as many as it may.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.documents.reading import blocks
from tests.promises.daemon import until
from tests.system.machine import made, missing
from tests.test_container import daemon_service, instructions, passes

ROOT = Path(__file__).parents[2]
DOCUMENT = "docs/install.md"
START_S = 60
BUILD_S = 900
# /etc/ordod is in the way of nobody, and the network's rules are not this machine's.
ENGINE = 'cp -a /etc "$0/etc" && mount --bind "$0/etc" /etc && exec dockerd "$@"'


def _why_not() -> str:
    tools = ("dockerd", "docker", "containerd", "runc", "unshare", "nsenter")
    if why := missing(*tools):
        return why
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "" if asked.returncode == 0 else "there is no docker compose"


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(_why_not()), reason=f"no Docker runs here: {_why_not()}"),
]


class Docker:
    """An engine, and a checkout in which a person types."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self._checkout = checkout
        self._socket = f"unix://{folder}/docker.sock"
        self._programs = folder / "bin"
        self._programs.mkdir()
        sudo = self._programs / "sudo"  # who types is root already
        sudo.write_text('#!/bin/sh\nexec "$@"\n')
        sudo.chmod(0o755)
        options = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"]
        options += ["--pidfile", f"{folder}/pid", "--host", self._socket, "--storage-driver", "vfs"]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "sh", "-euc", ENGINE, folder, *options],
                stdout=log,
                stderr=log,
            )
        until(lambda: (folder / "docker.sock").exists() or self._process.poll(), START_S)
        assert self._process.poll() is None, self._log.read_text()[-2000:]

    def type(self, text: str, *, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A block of commands, in the checkout."""
        inside = ["nsenter", "--mount", "--net", f"--target={self._process.pid}"]
        inside.append(f"--wd={self._checkout}")
        done = subprocess.run(
            [*inside, "bash", "-euo", "pipefail", "-c", text],
            env=os.environ
            | {"DOCKER_HOST": self._socket, "PATH": f"{self._programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        said = f"{done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, f"{text}\n{said}\n{self._log.read_text()[-2000:]}"
        return done

    def ordoctl(self, *asked: str) -> Any:
        words = " ".join(asked)
        return json.loads(self.type(f"docker compose exec -T ordod ordoctl --json {words}").stdout)

    def place(self, key: str) -> Any:
        return self.ordoctl(
            "place", "buy", "1", "NSE:INFY", "--product", "CNC", "--key", key, "--yes"
        )["order"]

    def container(self, name: str) -> Any:
        return json.loads(self.type(f"docker inspect {name}").stdout)[0]

    def trades(self, name: str) -> bool:
        """Whether it is healthy, by the engine's own checks, and its account trades."""
        if self.container(name)["State"].get("Health", {}).get("Status") != "healthy":
            return False
        status = json.loads(self.type(f"docker exec {name} ordoctl --json status").stdout)
        return all(account["can_trade"] for account in status["accounts"])

    def close(self) -> None:
        self.type("docker ps -aq | xargs -r docker rm --force", check=False)
        self._process.terminate()
        self._process.wait(START_S)


COMPOSED = "ordo-ordod-1"
COMPOSE, ALONE = (block.text for block in blocks(DOCUMENT) if block.mark == "container")


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """After the first block: the daemon of compose.yaml runs."""
    folder = tmp_path_factory.mktemp("docker")
    checkout = folder / "ordo"
    checkout.mkdir()
    for path in ROOT.iterdir():
        if passes(path.name) or path.name in ("Dockerfile", ".dockerignore", "compose.yaml"):
            subprocess.run(["cp", "-r", path, checkout], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", f"{checkout}/wheels"]
    subprocess.run([*pip, ROOT, "hatchling"], check=True)
    for wheel in (checkout / "wheels").glob("ordod-*"):
        wheel.unlink()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < daemon_service()["ulimits"]["nofile"]:
        limits = f"services:\n  ordod:\n    ulimits:\n      nofile: {most}\n"
        (checkout / "compose.override.yaml").write_text(limits)
    engine = Docker(folder, checkout)
    try:
        base = next(rest.split()[0] for word, rest in instructions() if word == "FROM")
        places = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        change = f"--change 'ENV {places}' --change 'ENV PIP_NO_INDEX=1'"
        engine.type(f"tar -C {made()} -c . | docker import {change} - {base}")
        engine.type(COMPOSE)
        yield engine
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_compose_runs_the_daemon_as_the_file_says_and_it_trades(docker: Docker) -> None:
    until(lambda: docker.trades(COMPOSED), START_S)
    host = docker.container(COMPOSED)["HostConfig"]
    status = docker.type("docker compose exec -T ordod cat /proc/1/status").stdout

    assert docker.place("first")["status"] in ("PENDING", "OPEN", "FILLED")
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "CapBnd:\t0000000000000000" in status
    assert (host["Memory"], host["MemorySwap"]) == (256 << 20, 256 << 20)
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["RestartPolicy"]["Name"] == "always"


def test_a_reload_lets_a_bot_in_by_its_group_and_another_is_kept_out(docker: Docker) -> None:
    docker.type(
        """sed -i '/^.access.groups.$/a ordo = "trade"' /etc/ordod/ordod.conf
        docker compose kill -s HUP ordod"""
    )
    until(lambda: "reload" in docker.type("docker compose logs ordod").stdout.lower(), START_S)

    told = docker.type("docker compose run --rm -T bot")
    stranger = (
        "docker run --rm --network none --user 20002:20002 -v ordo_socket:/run/ordod:ro "
        "--entrypoint /opt/ordod/bin/ordoctl ordod status"
    )
    refused = docker.type(stranger, check=False)

    assert "READY" in told.stdout
    assert refused.returncode == 3
    assert "this user may not open it" in refused.stderr


def test_it_writes_on_its_volumes_alone(docker: Docker) -> None:
    places = ("/", "/opt/ordod", "/etc/ordod", "/home", "/var", "/tmp", "/run/ordod", "/var/lib/ordod")  # fmt: skip
    touched = "; ".join(f"touch {place}/x && rm {place}/x && echo {place}" for place in places)

    done = docker.type(f"docker compose exec -T ordod sh -c '{touched}; true'")

    assert done.stdout.split() == ["/tmp", "/run/ordod", "/var/lib/ordod"]


def test_a_stop_is_in_order_and_the_next_start_goes_on(docker: Docker) -> None:
    order = docker.place("before-the-stop")

    docker.type("docker compose stop")
    state = docker.container(COMPOSED)["State"]
    docker.type("docker compose up -d --wait")
    until(lambda: docker.trades(COMPOSED), START_S)

    assert (state["Status"], state["ExitCode"]) == ("exited", 0)  # it ended within its time
    assert docker.place("before-the-stop")["order_id"] == order["order_id"]
    assert not docker.ordoctl("status")["kill"]["engaged"]  # the volume is the one it was


def test_a_real_broker_is_refused_where_the_state_is_in_memory(docker: Docker) -> None:
    kite = '[accounts.kite]\nbroker = "zerodha"\napi_key = "k"\naccess_token = "t"\nuser_id = "AB1234"\n'
    done = docker.type(
        f"""install -d -o 10001 -g 10001 -m 750 /etc/ordod-kite
        printf '{kite}' >/etc/ordod-kite/ordod.conf
        chown 10001:10001 /etc/ordod-kite/ordod.conf; chmod 600 /etc/ordod-kite/ordod.conf
        docker run --rm --read-only --tmpfs /var/lib/ordod:uid=10001,gid=10001,mode=700 \
            -v /etc/ordod-kite:/etc/ordod:ro ordod""",
        check=False,
    )

    assert done.returncode == 1
    assert "state directory /var/lib/ordod is on tmpfs" in done.stderr


def test_killed_outright_it_is_started_again_after_a_reload_too_and_knows_every_key(
    docker: Docker,
) -> None:
    order = docker.place("before-the-kill")
    before = docker.container(COMPOSED)["State"]["Pid"]

    os.kill(before, signal.SIGKILL)
    until(lambda: docker.container(COMPOSED)["State"]["Pid"] not in (0, before), START_S)
    until(lambda: docker.trades(COMPOSED), START_S)

    assert docker.place("before-the-kill")["order_id"] == order["order_id"]


def test_the_signal_stops_everything_and_a_new_container_starts_stopped(docker: Docker) -> None:
    docker.type("docker compose kill -s USR1 ordod")
    until(lambda: docker.ordoctl("status")["kill"]["engaged"], START_S)

    docker.type("docker compose up -d --force-recreate --wait")

    assert docker.ordoctl("status")["kill"]["engaged"]  # the switch is in the state
    docker.type("docker compose exec -T ordod ordoctl release --reason tried")
    assert not docker.ordoctl("status")["kill"]["engaged"]


def test_the_commands_of_the_text_around_the_blocks_work(docker: Docker) -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    upgrade = next(re.finditer(r"\*\*Upgrade\*\*: `(docker compose [^`]+)`", text))[1]
    uninstall = next(re.finditer(r"\*\*Uninstall\*\*: `(docker compose [^`]+)`", text))[1]
    order = docker.place("before-the-upgrade")

    docker.type(upgrade)
    again = docker.place("before-the-upgrade")
    docker.type(uninstall)

    assert again["order_id"] == order["order_id"]
    assert docker.type("docker ps -aq").stdout == ""
    assert "ordo_state" in docker.type("docker volume ls").stdout  # the journal is left


def test_without_compose_the_state_is_the_same(docker: Docker) -> None:
    docker.type("docker compose down")
    docker.type(ALONE)

    until(lambda: docker.trades("ordod"), START_S)
    asked = "docker exec ordod ordoctl --json orders"
    keys = {one["key"] for one in json.loads(docker.type(asked).stdout)["orders"]}

    assert {"first", "before-the-kill", "before-the-upgrade"} <= keys
