"""What a test of TCP needs: certificates in files, a free port, tokens made by the command, a client of bare lines."""

import json
import socket
import ssl
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import trustme

__all__ = ["Certificates", "Lines", "free_port", "issue", "ordoctl"]

ANSWER_S = 45.0


class Certificates:
    """A CA, the daemon's certificate and a client's, as files in a folder."""

    def __init__(self, folder: Path, *hosts: str) -> None:
        folder.mkdir(exist_ok=True)
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.crt"
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.cert, self.key = folder / "tls.crt", folder / "tls.key"
        self.issue(*hosts)
        client = self.ca.issue_cert("bot@ordo.example")
        self.client_cert = folder / "client.pem"
        client.private_key_and_cert_chain_pem.write_to_path(self.client_cert)

    def issue(self, *hosts: str, ends_at: datetime | None = None) -> None:
        """A new certificate for the daemon, in the place of the old one."""
        issued = self.ca.issue_cert(*hosts, not_after=ends_at)
        issued.cert_chain_pems[0].write_to_path(self.cert)
        self.key.touch(0o600)
        issued.private_key_pem.write_to_path(self.key)

    def context(self, *, client: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if client:
            context.load_cert_chain(self.client_cert)
        return context


def free_port(host: str = "127.0.0.1") -> int:
    """Free a moment ago; nobody else asks for this one soon."""
    with closing(socket.socket()) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def ordoctl(
    *arguments: str, environment: dict[str, str] | None = None, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    """The command, with nothing of this process' environment that could name a daemon."""
    import os

    outside = {k: v for k, v in os.environ.items() if not k.startswith("ORDOD")}
    outside["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-m", "ordoctl.cli", *arguments],
        env={**outside, **(environment or {})},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def issue(config: Path, *arguments: str) -> str:
    """A token, made as a person makes one."""
    done = ordoctl("token", "new", *arguments, "--config", str(config))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Lines:
    """JSON lines over TCP, with TLS or without; nothing is shown by itself."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        name: str = "localhost",
        source: str = "",
    ) -> None:
        link = socket.create_connection((host, port), ANSWER_S, (source, 0) if source else None)
        try:
            self.link = context.wrap_socket(link, server_hostname=name) if context else link
        except BaseException:
            link.close()
            raise
        self._file = self.link.makefile("rb")
        self._ids = count(1)

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.link.close()

    def answer(self, method: str, /, **params: Any) -> Any:
        """The next message after this call; raises ConnectionError where the daemon hangs up."""
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        self.link.sendall(json.dumps(message).encode() + b"\n")
        return self.read()

    def ask(self, method: str, /, **params: Any) -> Any:
        answer = self.answer(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def kind(self, method: str, /, **params: Any) -> str:
        """Of the error it is refused with."""
        kind: str = self.answer(method, **params)["error"]["data"]["kind"]
        return kind

    def read(self) -> Any:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the daemon hung up")
        return json.loads(line)

    def is_over(self) -> bool:
        """It ends, without another word."""
        try:
            return self._file.readline() == b""
        except OSError:
            return True
