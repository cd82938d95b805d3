"""The listening socket: made so that nobody is robbed of it and nobody gets in too early."""

import errno
import os
import socket
import stat
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

__all__ = ["ListenError", "inherited", "listening", "listening_tcp"]

BACKLOG = 1024
MODE = 0o660  # WIRE 1
FOLDER_MODE = 0o750
FIRST_FD = 3  # sd_listen_fds(3)


class ListenError(Exception):
    """The daemon cannot listen there; the message says why and what to do."""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening Unix socket at `path`, mode 0660 from its first moment; a folder that is missing is made, 0750.

    A socket that is there already is removed only if nobody listens on it; in the end ours is, unless another daemon has put
    its own there.

    Raises:
        ListenError: the path is taken, or cannot be used.
    """
    listener = _listen(path)
    mine = path.lstat().st_ino
    try:
        yield listener
    finally:
        with suppress(FileNotFoundError):
            if path.lstat().st_ino == mine:
                path.unlink()
        listener.close()


def _listen(path: Path) -> socket.socket:
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _refuse_open_folder(path.parent)
        _clear(path)
    except OSError as error:
        raise ListenError(
            f"cannot listen at {path} ({error.strerror or error}): set another [daemon] socket"
        ) from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux gives the file the mode of the unbound socket, less the umask: it is never wider than this.
        os.fchmod(listener.fileno(), MODE)
        listener.bind(str(path))
        path.chmod(MODE)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen at {path}: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener


@contextmanager
def listening_tcp(host: str, port: int, *, only_loopback: bool) -> Iterator[list[socket.socket]]:
    """Listening sockets at every address that this name has; `::` takes IPv4 too.

    Args:
        only_loopback: without TLS; a name that leads elsewhere is refused.
    Raises:
        ListenError: an address is taken, is not this machine's, or the name has none.
    """
    listeners: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            if only_loopback and not ip_address(str(address[0])).is_loopback:
                raise ListenError(
                    f"[daemon] tcp: {host} is {address[0]}, which other machines reach: that takes TLS (tls_cert and tls_key)"
                )
            listeners.append(_listen_tcp(family, address))
        yield listeners
    finally:
        for each in listeners:
            each.close()


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str | int, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"[daemon] tcp: {host} has no address ({error.strerror})") from None
    kept: dict[tuple[int, tuple[str | int, ...]], None] = {
        (family, (str(address[0]), *address[1:])): None
        for family, _, _, _, address in found
        if _has_family(family)
    }
    return list(kept)


def _has_family(family: int) -> bool:
    """Whether this machine speaks it: `localhost` is an address of IPv6 also where that is turned off."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0) if family == socket.AF_INET6 else ("127.0.0.1", 0))
    except OSError:
        return False
    return True


def _listen_tcp(family: int, address: tuple[str | int, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            is_any = ip_address(str(address[0]).partition("%")[0]).is_unspecified
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if is_any else 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"cannot listen at {address[0]} port {address[1]} ({error.strerror}): set another [daemon] tcp"
        ) from error
    listener.setblocking(False)
    return listener


def inherited(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets systemd hands over (`LISTEN_FDS`); the variables are taken out, so that no child takes them for its own."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    sockets = [socket.socket(fileno=fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]
    for each in sockets:
        if each.family != socket.AF_UNIX or each.type != socket.SOCK_STREAM:
            raise ListenError(
                "LISTEN_FDS: only Unix stream sockets are taken (ListenStream=/run/...)"
            )
        os.set_inheritable(each.fileno(), False)
        each.setblocking(False)
    return sockets


def _refuse_open_folder(folder: Path) -> None:
    """Where anybody may put another socket in this one's place, clients would tell him their orders."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ListenError(
            f"cannot listen in {folder}: everybody can write there (mode {mode:04o}) and put another socket in its place; "
            f"run: chmod o-w {folder}, or set another [daemon] socket"
        )


def _clear(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(
            f"{path} is there and is no socket: move it away, or set another [daemon] socket"
        )
    if _answers(path):
        raise ListenError(
            f"another ordod listens at {path}: stop it, or set another [daemon] socket"
        )
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    """Whether somebody listens there. Never waits: a full backlog is somebody too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(str(path))
    if code == errno.EACCES:
        raise ListenError(
            f"{path} belongs to somebody else: remove it, or set another [daemon] socket"
        )
    return code not in (errno.ECONNREFUSED, errno.ENOENT)
