"""What the word behind a block's language says, and who runs a block that this folder does not run.

```sh runnable    is run as it stands, in the document's order, beside the daemon of `ordod.conf.example`
```json           is an exchange with that daemon, `json journal` lines of a journal
```sh WHY         is not, for one of the reasons below; its commands are parsed all the same
"""

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["LANGUAGES", "LAST", "RUNNABLE", "WHY_NOT", "WhyNot"]

RUNNABLE = "runnable"
LAST = "last"  # of an exchange that ends the daemon: it comes after all others


class WhyNot(Struct, frozen=True):
    """Why a block is not run here, and the tests that do what it does (files, and words that stand in them)."""

    why: str
    by: Mapping[str, str]


LANGUAGES: Mapping[str, str] = {
    "sh": "commands: run, or parsed where WHY_NOT says why",
    "python": "run, or compiled where WHY_NOT says why",
    "toml": "a whole configuration is made of it, and `ordod check` finds it good",
    "json": "requests are sent to a daemon, and its answers have what is shown; lines of a journal are read",
    "text": "nothing that anybody types: a picture, what a program printed",
    "ini": "units and their drop-ins: parsed",
    "yaml": "other programs' configurations",
    "nginx": "another program's configuration",
    "dockerfile": "run by the tests of the container",
}

WHY_NOT: Mapping[str, WhyNot] = {
    "install": WhyNot(
        "makes an environment and fetches packages: the README's first is run in a copy of the checkout, the others by the slow tests",
        {"tests/documents/test_typed.py": 'of("install")', ".ci/run": "README.md"},
    ),
    "daemon": WhyNot(
        "runs in the foreground until it is ended: run in the environment that the README's first command made",
        {"tests/documents/test_typed.py": 'of("daemon", "README.md")'},
    ),
    "systemd": WhyNot(
        "wants a machine with systemd, and root: run there, in order, where one can be made (ORDO_SYSTEM_TESTS=1, and in CI)",
        {"tests/system/test_documents.py": "blocks("},
    ),
    "container": WhyNot(
        "wants a container engine: run by the slow tests where there is a Docker, compose.yaml is read by the others",
        {
            "tests/system/test_docker.py": 'block.mark == "container"',
            "tests/test_container.py": "compose.yaml",
        },
    ),
    "asks": WhyNot(
        "asks a person at a terminal: run at one",
        {"tests/documents/test_typed.py": 'of("asks", "docs/quickstart.md")'},
    ),
    "broker": WhyNot(
        "wants an account at a real broker: run against simulated ones",
        {"tests/documents/test_typed.py": 'of("broker", "docs/quickstart.md")'},
    ),
    "remote": WhyNot(
        "wants two machines, and root on one: both sides of it are played on one",
        {"tests/acceptance/test_tcp.py": "def test_an_order_is_placed_over_tls_by_the_command"},
    ),
    "long": WhyNot(
        "takes minutes, or writes figures: its short form is a test",
        {"tests/test_benchmarks.py": "--quick"},
    ),
    "trace": WhyNot(
        "reads the log of a service: a daemon's own log is read as it says",
        {"tests/acceptance/test_tracing.py": "jq"},
    ),
    "repair": WhyNot(
        "wants a journal that is damaged, or an old one",
        {"tests/ordoctl/test_offline.py": "repair"},
    ),
    "adapter": WhyNot(
        "a part of an adapter that is to be written, and its tests: run with a broker's name that is there; the whole is a plugin",
        {
            "tests/documents/test_typed.py": 'of("adapter", "docs/adapters.md")',
            "tests/adapters/test_registry.py": "plugin",
        },
    ),
    "program": WhyNot(
        "a program of the user's that the daemon calls on, elsewhere in the file system: run there as the daemon runs it",
        {
            "tests/test_alert_settings.py": "test_the_documents_pager_script_posts_what_was_told",
        },
    ),
    "before": WhyNot(
        "what a bot did without Ordo: wants a broker's SDK, which has an environment of its own",
        {"tests/vendor/environments.py": "kiteconnect"},
    ),
}
