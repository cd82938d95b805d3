"""What a login asks a person: a page to open, or a code to type.

A page ends in a redirect that carries the answer. Where it leads to this machine (the page's own address says so, or `--listen PORT`
does) it is caught here; a pasted address, or the bare token from it, does as well, whichever comes first.
"""

import selectors
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack, suppress
from urllib.parse import parse_qs, urlsplit

from ordoctl.models import Ask

__all__ = ["answer", "redirect_port"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REDIRECT_NAMES = ("redirect_uri", "redirect_url", "redirect")
REQUEST_BYTES_MAX = 64 * 1024
BROWSER_S = 5.0  # a browser that connects and says nothing is left after so long

PAGE = (
    b"<!doctype html><meta charset=utf-8><title>ordoctl</title>"
    b"<p style='font:1.2em sans-serif;margin:4em'>That was it. Back to the terminal; this page may be closed."
)


def answer(ask: Ask, *, say: Callable[[str], None], listen: int | None, opens: bool) -> str:
    """What the person answers; empty: nothing.

    Args:
        say: how to talk to the person.
        listen: the port on 127.0.0.1 that the broker redirects to, where its page does not say.
        opens: open the page, rather than only say where it is.
    """
    if ask.kind != "page":
        say(ask.prompt or "The code:")
        return sys.stdin.readline().strip()
    url = ask.url or ""
    if ask.prompt:
        say(ask.prompt)
    say(f"Open {url}")
    with ExitStack() as stack:
        listeners = _listeners(stack, listen or redirect_port(url), say)
        if listeners:
            say("and log in there; or paste the address it leads to:")
        else:
            say("log in there, and paste the address it leads to:")
        if opens and urlsplit(url).scheme in ("http", "https"):
            webbrowser.open(url)
        return _first(listeners)


def redirect_port(url: str) -> int | None:
    """The port of this machine that a login page will redirect to, as its address says."""
    try:
        query = parse_qs(urlsplit(url).query)
        for name in REDIRECT_NAMES:
            for target in query.get(name, ()):
                to = urlsplit(target)
                if to.scheme == "http" and to.hostname in LOOPBACK:
                    return to.port or 80
    except ValueError:
        return None
    return None


def _listeners(
    stack: ExitStack, port: int | None, say: Callable[[str], None]
) -> list[socket.socket]:
    if port is None:
        return []
    listeners = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            listeners.append(stack.enter_context(socket.create_server((host, port), family=family)))
        except OSError as why:
            if family == socket.AF_INET:  # many machines have no IPv6
                say(f"(port {port} cannot be listened on: {why.strerror})")
    return listeners


def _first(listeners: list[socket.socket]) -> str:
    """A pasted line or a caught redirect, whichever comes first."""
    if not listeners:
        return sys.stdin.readline().strip()
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ, listener)
        with suppress(ValueError, OSError):  # a file, or closed: then only the redirect can come
            selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    if caught := _take(key.data):
                        return caught
                    continue
                line = sys.stdin.readline()
                if line.strip():
                    return line.strip()
                if not line:
                    selector.unregister(sys.stdin)


def _take(listener: socket.socket) -> str | None:
    """The address of one request, if it carries an answer; a browser also asks for icons."""
    link, _ = listener.accept()
    with link:
        link.settimeout(BROWSER_S)
        try:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < REQUEST_BYTES_MAX:
                data = link.recv(REQUEST_BYTES_MAX)
                if not data:
                    break
                head += data
            method, target, *_ = [*head.split(b"\r\n", 1)[0].split(b" "), b"", b""]
            is_answer = method == b"GET" and b"?" in target
            status, body = (b"200 OK", PAGE) if is_answer else (b"404 Not Found", b"")
            link.sendall(
                b"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
                b"Cache-Control: no-store\r\nConnection: close\r\n\r\n%s"
                % (status, len(body), body)
            )
        except OSError:
            return None
    if not is_answer:
        return None
    host, port = listener.getsockname()[:2]
    return f"http://{'127.0.0.1' if host == '::1' else host}:{port}{target.decode('latin-1')}"
