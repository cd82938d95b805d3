"""The listening socket."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ordod.wire.sockets import ListenError, inherited, listening

PASS_ON = """
import os, socket, sys
from ordod.wire.sockets import inherited
os.environ["LISTEN_PID"] = str(os.getpid())
(listener,) = inherited(os.environ)
print(listener.getsockname(), os.get_inheritable(listener.fileno()), "LISTEN_FDS" in os.environ)
"""


def test_the_socket_is_for_owner_and_group_whatever_the_umask(path: Path) -> None:
    for umask in (0o077, 0o000):
        before = os.umask(umask)
        try:
            with listening(path):
                assert stat.S_IMODE(path.stat().st_mode) == 0o660
        finally:
            os.umask(before)


def test_a_missing_folder_is_made_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ordod.sock"

    with listening(path):
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0


def test_a_socket_somebody_listens_on_is_left_alone(path: Path) -> None:
    with listening(path) as listener:
        with (
            pytest.raises(ListenError, match=r"another ordod listens at .*stop it"),
            listening(path),
        ):
            pass

        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            accepted, _ = listener.accept()
            accepted.close()


def test_a_socket_with_a_full_backlog_is_not_taken_for_a_stale_one(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))

        with pytest.raises(ListenError, match="another ordod"), listening(path):
            pass


def test_a_socket_nobody_listens_on_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with listening(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_file_that_is_no_socket_is_never_removed(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(ListenError, match="no socket"), listening(path):
        pass

    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)

    with pytest.raises(ListenError, match="cannot listen at"), listening(path):
        pass


def test_in_the_end_our_socket_goes_and_anothers_stays(path: Path) -> None:
    with listening(path):
        pass
    gone = not path.exists()
    with listening(path):
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(path))

    assert gone
    assert path.exists()
    other.close()


def test_a_socket_of_systemd_is_taken_over(path: Path) -> None:
    with listening(path) as listener:
        process = subprocess.run(
            [sys.executable, "-c", f"import os; os.dup2({listener.fileno()}, 3)\n{PASS_ON}"],
            pass_fds=[listener.fileno()],
            env={**os.environ, "LISTEN_FDS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )

    assert process.stdout.split() == [str(path), "False", "False"]


def test_sockets_meant_for_another_process_are_left(path: Path) -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "PATH": "/bin"}

    assert inherited(environment) == []
    assert environment == {"PATH": "/bin"}
