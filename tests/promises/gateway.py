"""A way to a broker that can be held up: TLS in front of a simulator, on loopback, in threads."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import trustme

from ordod.sim.process import SimProcess

__all__ = ["Gateway", "gateway"]

WAIT_S = 20.0


class Gateway:
    """Accepts connections at `url`; each begins its TLS handshake only while `open` is set.

    `held`: set once a connection was accepted that waits for its handshake. `authority`: the file that makes it trusted.
    `traffic`: all that passed, in both directions.
    """

    def __init__(self, sim: SimProcess, folder: Path) -> None:
        self.open = Event()
        self.open.set()
        self.held = Event()
        self.traffic = bytearray()
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._tls)
        host, _, port = sim.url.partition("://")[2].partition(":")
        self._broker = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []

    def run(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(accepted)
            Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def cut(self) -> None:
        """Every connection there is ends; what comes is held until `open` is set."""
        self.open.clear()
        self.held.clear()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.open.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self, accepted: socket.socket) -> None:
        if not self.open.is_set():
            self.held.set()
        self.open.wait(WAIT_S)
        with suppress(OSError):
            inside = self._tls.wrap_socket(accepted, server_side=True)
            outside = socket.create_connection(self._broker)
            self._sockets += [inside, outside]
            back = Thread(target=self._pump, args=(outside, inside), daemon=True)
            back.start()
            self._pump(inside, outside)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.traffic += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextmanager
def gateway(sim: SimProcess, folder: Path) -> Iterator[Gateway]:
    """A gateway in front of this simulator while the block lasts."""
    one = Gateway(sim, folder)
    thread = Thread(target=one.run, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.close()
        thread.join(WAIT_S)
