"""Dockerfile and compose.yaml keep what they promise, as far as it can be read from them; the health check asks a real daemon.

Where there is a Docker, `tests/system/test_docker.py` builds the image and runs it so.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordod.running import DRAIN_S
from tests.promises.conftest import folder, make  # noqa: F401 - fixtures
from tests.promises.daemon import PAPER, Daemon, until

ROOT = Path(__file__).parent.parent
SERVICE = (ROOT / "systemd/ordod.service").read_text(encoding="utf-8")
Make = Callable[..., Daemon]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, in order: the word, and all behind it."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    words = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in words]


def last(word: str) -> str:
    return [rest for found, rest in instructions() if found == word][-1]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found


def daemon_service() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]["ordod"]
    return found


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def targets(service: dict[str, Any]) -> dict[str, Any]:
    """Where each volume stands, and the whole of it."""
    return {
        one["target"] if isinstance(one, dict) else one.split(":")[1]: one
        for one in service["volumes"]
    }


def passes(name: str) -> bool:
    """Whether .dockerignore lets a top-level name into the build: the last line that fits decides."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = True
    for line in lines:
        if line and not line.startswith("#") and fnmatch(name, line.removeprefix("!")):
            kept = line.startswith("!")
    return kept


def health_check(socket: Path) -> int:
    """The image's own, against this socket; its exit status."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "/opt/ordod/bin/python"
    assert "/run/ordod/ordod.sock" in command[-1]
    asked = [part.replace("/run/ordod/ordod.sock", str(socket)) for part in command[1:]]
    done = subprocess.run([sys.executable, *asked], capture_output=True, timeout=30, check=False)
    return done.returncode


def test_the_image_runs_as_a_user_of_fixed_number_and_the_daemon_is_its_first_process() -> None:
    words = [word for word, _ in instructions()]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last("USER"))
    assert f"--uid {last('USER').split(':')[0]} " in last("RUN")
    assert f"--gid {last('USER').split(':')[1]} " in last("RUN")
    assert json.loads(last("ENTRYPOINT")) == ["/opt/ordod/bin/ordod"]  # no shell: signals reach it
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "ADD" not in words


def test_the_image_is_built_in_stages_from_bases_that_are_named_whole() -> None:
    bases = [rest.split() for word, rest in instructions() if word == "FROM"]
    copied = [rest for word, rest in instructions() if word == "COPY"]

    assert len(bases) == 2
    assert bases[0][0] == bases[1][0]  # an environment's Python is the base's
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0][0])
    assert any(rest.startswith("--from=build ") for rest in copied)
    assert not any(rest.split()[0] == "." for rest in copied[1:])  # no tree in what runs


def test_a_build_is_given_what_it_needs_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {path.split("/")[0] for path in (*wheel["packages"], *wheel["shared-data"])}

    given = {path.name for path in ROOT.iterdir() if passes(path.name)}

    assert given - {"wheels"} == needed
    assert not passes(".git")
    assert not passes("secrets.store")


def test_what_is_written_stands_on_volumes_and_the_rest_cannot_be_changed() -> None:
    service = daemon_service()
    places = targets(service)
    named = set(compose()["volumes"])

    assert service["read_only"] is True
    assert set(json.loads(last("VOLUME"))) <= set(places)
    assert places["/var/lib/ordod"] == "state:/var/lib/ordod"
    assert places["/run/ordod"] == "socket:/run/ordod"
    assert {"state", "socket"} == named
    assert all(
        volume is None for volume in compose()["volumes"].values()
    )  # the local driver: a disk
    others = {path: one for path, one in places.items() if path not in json.loads(last("VOLUME"))}
    assert all(
        one["read_only"] if isinstance(one, dict) else one.endswith(":ro")
        for one in others.values()
    )
    assert all("noexec" in one and "size=" in one for one in service["tmpfs"])


@pytest.mark.parametrize("name", ["ordod", "bot"])
def test_no_container_has_a_right_that_it_does_not_need(name: str) -> None:
    service = compose()["services"][name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "ports"} & set(service)
    assert "environment" not in service  # a secret there is shown by `inspect`


def test_the_numbers_of_user_and_group_are_the_same_everywhere() -> None:
    bot = compose()["services"]["bot"]
    _, group = last("USER").split(":")

    assert daemon_service()["user"] == last("USER")
    assert bot["group_add"] == [group]
    assert bot["user"].split(":")[0] not in ("0", last("USER").split(":")[0])
    assert targets(bot) == {"/run/ordod": "socket:/run/ordod:ro"}


def test_a_stop_leaves_the_drain_its_time_as_under_systemd() -> None:
    service = daemon_service()

    assert service["stop_signal"] == last("STOPSIGNAL")
    assert seconds(service["stop_grace_period"]) >= 2 * DRAIN_S
    assert f"TimeoutStopSec={seconds(service['stop_grace_period'])}\n" in SERVICE
    start = re.search(r"--start-period=(\d+)s", last("HEALTHCHECK"))
    assert start is not None
    assert f"TimeoutStartSec={start[1]}\n" in SERVICE


def test_limits_and_logs_have_bounds() -> None:
    service = daemon_service()

    assert (
        service["mem_limit"] == service["memswap_limit"] == "256m"
    )  # no swap: it would keep sessions
    assert service["ulimits"]["core"] == 0
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "always"


def test_the_health_check_says_yes_of_a_daemon_that_works_and_no_where_none_answers(
    make: Make,  # noqa: F811
) -> None:
    daemon = make(PAPER).ready()

    works = health_check(daemon.socket)
    daemon.kill()
    gone = health_check(daemon.socket)

    assert works == 0
    assert gone != 0


def test_the_health_check_says_no_of_a_daemon_whose_disk_has_failed(make: Make) -> None:  # noqa: F811
    daemon = make(PAPER, faulty=True).ready()

    daemon.plan("fail", "append", at=0)
    until(lambda: health_check(daemon.socket) != 0)

    assert daemon.process is not None
    assert daemon.process.poll() is None
