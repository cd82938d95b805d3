import socket
from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest

from ordod.core.ports import NotAdmitted
from ordod.io.clock import SystemClock
from ordod.io.connections import Broken, Connection, Origin, connect, tls_context

CLOCK = SystemClock()
TLS = tls_context()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def origin_of(listener: socket.socket) -> Origin:
    return Origin("127.0.0.1", listener.getsockname()[1], is_tls=False)


def fill(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        while True:
            sock.send(bytes(65_536))


def drain(sock: socket.socket) -> None:
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            sock.recv(65_536)


async def test_the_gate_is_read_again_when_a_full_kernel_took_nothing(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    connection = Connection(ours, None, "127.0.0.1", CLOCK)
    fill(ours)
    looks: list[int] = []

    def closes_meanwhile() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise NotAdmitted

    async with anyio.create_task_group() as tasks:

        async def hand_over() -> None:
            with pytest.raises(NotAdmitted):
                await connection.hand_over(b"order", closes_meanwhile)

        tasks.start_soon(hand_over)
        await anyio.wait_all_tasks_blocked()
        drain(theirs)

    assert connection.handed_over == 0
    connection.reset()


async def test_whoever_waits_on_a_connection_that_is_reset_is_told(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    connection = Connection(ends[0], None, "127.0.0.1", CLOCK)

    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            with pytest.raises(Broken, match="reset by us"):
                await connection.read()

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        connection.reset()

    assert connection.died_at is not None


async def test_the_kernel_gives_up_sending_when_we_do(listener: socket.socket) -> None:
    connection = await connect(
        origin_of(listener), CLOCK, TLS, source_address=None, unacknowledged_s=7.0
    )

    # Nothing a peer on loopback can do shows this option: it is read where it was set.
    limit_ms = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    connection.reset()
    assert limit_ms == 7_000


async def test_a_source_address_of_the_other_family_reaches_nothing(
    listener: socket.socket,
) -> None:
    with pytest.raises(Broken, match="family"):
        await connect(origin_of(listener), CLOCK, TLS, source_address="::1", unacknowledged_s=7.0)


async def test_a_name_is_looked_up_and_the_address_that_answers_is_taken(
    listener: socket.socket,
) -> None:
    origin = Origin("localhost", listener.getsockname()[1], is_tls=False)

    connection = await connect(origin, CLOCK, TLS, source_address=None, unacknowledged_s=7.0)
    accepted, _ = listener.accept()

    accepted.close()
    connection.reset()


async def test_a_name_nobody_knows_is_broken_and_says_so() -> None:
    with pytest.raises(Broken, match="cannot be looked up"):
        await connect(
            Origin("nobody.invalid", 80, is_tls=False),
            CLOCK,
            TLS,
            source_address=None,
            unacknowledged_s=7.0,
        )
