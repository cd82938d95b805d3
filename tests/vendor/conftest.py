"""Brokers' own SDKs, each a process of an environment of its own, and a server that keeps what they send.

Samples of what an SDK sent are written anew with

    pytest tests/vendor --write-samples
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vendor import environments


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-samples", action="store_true", help="write what the SDKs sent as samples"
    )


@pytest.fixture(scope="session")
def sdk_python() -> Callable[[str], Path]:
    """The interpreter with a broker's SDK; where it cannot be had the tests are skipped, with pip's reason."""

    def python(broker: str) -> Path:
        try:
            return environments.sdk(broker)
        except environments.CannotInstall as reason:
            pytest.skip(str(reason))

    return python
