"""`[alerts]`: what it gives, what it says to somebody who wrote it wrong, and what its document says of it (tests/documents runs `ordod check` on its examples)."""

import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ordod.config import AlertSettings, ReceiverSettings
from ordod.domain.alerts import Alert, AlertKind
from ordod.domain.references import SecretReference, SecretSource
from ordod.running import check_config
from tests.acceptance.remote import Certificates
from tests.test_config import mistakes_of, read

DOCUMENT = Path(__file__).parent.parent / "docs/alerts.md"
WEB = '[alerts.web]\nurl = "https://hook.example/x"\n'
COMMAND = '[alerts.pager]\ncommand = ["/bin/page"]\n'


def test_without_a_table_nobody_is_told_and_the_defaults_hold() -> None:
    assert read("").alerts == AlertSettings()
    assert read("").alerts.receivers == {}


def test_a_table_gives_what_it_says() -> None:
    settings = read("""
        [alerts]
        remind_minutes = 10
        per_hour = 5
        doubt_older_than_s = 2.5
        disk_free_below_mb = 2000
        clock_skew_above_s = 3
        [alerts.phone]
        url = "https://api.example/bot{token}/send?silent=0"
        token = "store:phone"
        headers = { Title = "{title}" }
        kinds = ["kill", "doubt"]
        [alerts.phone.body]
        chat_id = 7
        weight = 0.5
        text = "{text}"
        [alerts.pager-2]
        command = ["/bin/page", "a b"]
    """).alerts

    assert settings == AlertSettings(
        remind_minutes=10,
        per_hour=5,
        doubt_older_than_s=2.5,
        disk_free_below_mb=2000,
        clock_skew_above_s=3.0,
        receivers={
            "phone": ReceiverSettings(
                name="phone",
                url="https://api.example/bot{token}/send?silent=0",
                token=SecretReference(SecretSource.STORE, "phone"),
                headers={"Title": "{title}"},
                body={"chat_id": 7, "weight": 0.5, "text": "{text}"},
                kinds=(AlertKind.KILL, AlertKind.DOUBT),
            ),
            "pager-2": ReceiverSettings(name="pager-2", command=("/bin/page", "a b")),
        },
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[alerts]\nremind_minute = 3", 2, 'unknown key "remind_minute"; did you mean "remind_minutes"?'),
        ("[alerts]\nper_hour = 0", 2, "per_hour must be above 0, and is 0"),
        ("[alerts]\nper_hour = 1000", 2, "per_hour is 1000, above 600"),
        ("[alerts]\nper_hour = 2.5", 2, "per_hour must be a whole number, and is a number with decimals"),
        ("[alerts]\ndoubt_older_than_s = -1", 2, "must be above 0"),
        ('[alerts]\nurl = "https://x.example"', 2, "url belongs to a receiver: write it under [alerts.NAME]"),
        ('[alerts]\ncommand = ["/bin/page"]', 2, "command belongs to a receiver"),
        ("[alerts.web]\n", 1, "needs one of command and url"),
        (WEB + 'command = ["/bin/page"]', 1, "needs one of command and url, not both"),
        ("[alerts.Web]\n" + WEB.split("\n", 1)[1], 1, "Web is no name for a receiver"),
        (WEB + 'kind = ["kill"]', 3, 'unknown key "kind"; did you mean "kinds"?'),
        (WEB + 'kinds = ["kil"]', 3, 'cannot be "kil": it is one of kill, start'),
        (WEB + 'kinds = "kill"', 3, "kinds must be a list of strings, and is a string"),
        ('[alerts.web]\nurl = "http://hook.example/x"', 2, "is not encrypted"),
        ('[alerts.web]\nurl = "ftp://hook.example/x"', 2, "must begin with https://"),
        ('[alerts.web]\nurl = "https://u:hunter2@hook.example/"', 2, "must not hold a user or password"),
        ('[alerts.web]\nurl = "https://{token}.example/"\ntoken = "env:X"', 2, "must name its host itself"),
        ('[alerts.web]\nurl = "https://hook.example/{tokem}"', 2, '{tokem}, which stands for nothing here; did you mean "token"?'),
        ('[alerts.web]\nurl = "https://hook.example/{title}"', 2, "{title}, which stands for nothing here"),
        ('[alerts.web]\nurl = "https://hook.example/{token}"', 1, "has {token} and no token"),
        (WEB + 'token = "stroe:x"', 3, 'looks like a reference of a kind that does not exist; did you mean "store"?'),
        (WEB + 'token = "store:../x"', 3, "must be store:NAME"),
        (WEB + 'body = "{massage}"', 3, 'body holds {massage}, which stands for nothing here; did you mean "message"?'),
        (WEB + 'body = { a = [{ b = "{messag}" }] }', 3, "body holds {messag}"),
        (WEB + "body = { at = 2026-11-23 }", 3, "body holds a date or time; put it in quotes"),
        (WEB + 'headers = { "X Y" = "1" }', 3, "X Y is no name of a header"),
        (WEB + 'headers = { Title = "\N{INDIAN RUPEE SIGN}" }', 3, "must be plain ASCII text on one line"),
        (WEB + 'headers = { Title = "a\\nb" }', 3, "must be plain ASCII text on one line"),
        (WEB + "headers = { Title = 1 }", 3, "Title must be a string"),
        ('[alerts.pager]\ncommand = "/bin/page"', 2, "command must be a list of strings"),
        ("[alerts.pager]\ncommand = []", 2, "must begin with a program by its whole path"),
        ('[alerts.pager]\ncommand = ["page"]', 2, "must begin with a program by its whole path"),
        (COMMAND + 'token = "env:X"', 3, "token goes with url"),
        (COMMAND + 'body = "x"', 3, "body goes with url; a command gets the alert on its standard input"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_the_way_out(text: str, line: int, said: str) -> None:
    (mistake,) = mistakes_of(text)

    assert mistake.startswith(f"{line}: [alerts")
    assert said in mistake
    assert "hunter2" not in mistake


def test_a_token_in_a_file_that_others_can_read_is_refused_and_not_repeated() -> None:
    (mistake,) = mistakes_of(WEB + 'token = "tk_hunter2"', mode=0o644)

    assert "is a secret in a file others can read" in mistake
    assert "hunter2" not in mistake


def test_what_system_config_shows_is_no_way_to_write_to_a_receiver() -> None:
    settings = read(
        '[alerts.web]\nurl = "https://hook.example/very/hunter2?x=hunter2"\ntoken = "hunter2"\n'
        'headers = { X = "hunter2" }\nbody = { chat = "hunter2" }\n'
        '[alerts.pager]\ncommand = ["/bin/page", "hunter2"]\n'
    )

    shown = settings.public()["alerts"]["receivers"]

    assert "hunter2" not in str(shown)
    assert shown["web"]["url"] == "https://hook.example/***"
    assert shown["pager"]["command"] == ["/bin/page", "***"]


# ordod check


def checked(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    file = tmp_path / "ordod.conf"
    file.touch(0o600)
    file.write_text(f'[daemon]\nstate_dir = "{tmp_path}/state"\n{text}')
    status = check_config(file)
    told = capsys.readouterr()
    return status, told.out + told.err


def test_check_names_a_command_that_is_not_there_or_cannot_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page").touch(0o644)

    missing = checked(tmp_path, f'[alerts.a]\ncommand = ["{tmp_path}/nothing"]\n', capsys)
    plain = checked(tmp_path, f'[alerts.a]\ncommand = ["{tmp_path}/page"]\n', capsys)

    assert missing == (1, f"alerts.a: the command {tmp_path}/nothing is not there\n")
    assert plain == (1, f"alerts.a: the command {tmp_path}/page cannot be run by this user\n")


def test_check_names_a_token_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = checked(tmp_path, WEB + 'token = "env:NO_SUCH_TOKEN"\n', capsys)

    assert status == 1
    assert told == "alerts.web: token: env:NO_SUCH_TOKEN is not set in the daemon's environment\n"


# The document


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}(?: \w+)?\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )


def test_the_documents_defaults_and_kinds_are_those_there_are() -> None:
    text = DOCUMENT.read_text()
    shown = next(block for block in blocks("toml") if block.startswith("[alerts]\n"))

    assert read(shown).alerts == AlertSettings()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(AlertKind)
    for field in Alert.__struct_fields__:
        assert f'"{field}":' in text


def test_the_documents_mail_script_sends_what_was_told(tmp_path: Path) -> None:
    script = next(block for block in blocks("sh") if "ordo-mail" in block)
    fake = tmp_path / "msmtp"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/mail\n')
    fake.chmod(0o755)
    file = tmp_path / "ordo-mail"
    file.write_text(script.replace("/usr/bin/msmtp", str(fake)))
    file.chmod(0o755)
    told = {
        "ORDO_ALERT_TITLE": "[CRITICAL] 100% 'quoted'",
        "ORDO_ALERT_MESSAGE": "50% \\n `x` $HOME",
    }

    subprocess.run([file, "asha@example.org"], env=os.environ | told, check=True)

    assert (tmp_path / "words").read_text() == "--file=/etc/ordod/msmtprc asha@example.org\n"
    assert (tmp_path / "mail").read_text() == (
        "To: asha@example.org\nSubject: [CRITICAL] 100% 'quoted'\n\n50% \\n `x` $HOME\n"
    )


class _Pager(BaseHTTPRequestHandler):
    """PagerDuty's address, as far as it is asked: it keeps what it is told."""

    told: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.told.append((self.path, json.loads(body)))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="no jq, or no curl")
@pytest.mark.parametrize(("state", "action"), [("firing", "trigger"), ("resolved", "resolve")])
def test_the_documents_pager_script_posts_what_was_told(
    tmp_path: Path, state: str, action: str
) -> None:
    made = Certificates(tmp_path / "tls", "events.pagerduty.com")
    (tmp_path / "pagerduty.key").write_text("a-routing-key\n")
    script = next(block for block in blocks("sh") if "ordo-page" in block)
    file = tmp_path / "ordo-page"
    file.write_text(script.replace("/etc/ordod", str(tmp_path)))
    file.chmod(0o755)
    server = HTTPServer(("127.0.0.1", 0), _Pager)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.cert, made.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    curl = f'connect-to = "events.pagerduty.com:443:127.0.0.1:{server.server_port}"\n'
    (tmp_path / ".curlrc").write_text(f'{curl}cacert = "{made.ca_file}"\n')
    alert = {"host": "vps", "id": "doubt/kite", "message": 'it\'s "so"', "severity": "critical"}
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        done = subprocess.run(
            [file],
            input=json.dumps(alert),
            text=True,
            env=os.environ | {"HOME": str(tmp_path), "ORDO_ALERT_STATE": state},
            capture_output=True,
            check=False,
        )
    finally:
        server.shutdown()
        serving.join()
        server.server_close()

    assert (done.returncode, done.stderr) == (0, "")
    path, body = _Pager.told.pop()
    assert path == "/v2/enqueue"
    assert (body["routing_key"], body["event_action"]) == ("a-routing-key", action)
    assert body["dedup_key"] == "vps/doubt/kite"
    assert body["payload"] == {"summary": 'it\'s "so"', "source": "vps", "severity": "critical"}


@pytest.mark.parametrize("number", range(len(blocks("sh"))))
def test_the_documents_scripts_are_shell_scripts_without_mistakes(number: int) -> None:
    done = subprocess.run(
        ["sh", "-n"], input=blocks("sh")[number], text=True, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
