"""Brokers are found by entry points, ours and those of other distributions; each that cannot be had says why."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordod import registry
from ordod.adapter import Adapter, suite
from ordod.registry import RegistryError

PLUGIN = Path(__file__).parent / "plugin"
MODULES = ("ordo_banyan", "ordo_banyan.old", "ordo_banyan.broken")


@pytest.fixture(scope="module")
def _plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugin, built and installed by pip into a folder of its own that is on the path for a while."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--no-build-isolation", "--disable-pip-version-check", "--target", target, PLUGIN),
        ],
        check=True,
        capture_output=True,
    )
    sys.path.insert(0, str(target))
    yield
    sys.path.remove(str(target))
    for name in MODULES:
        sys.modules.pop(name, None)


def refusal(broker: str) -> str:
    with pytest.raises(RegistryError) as caught:
        registry.load_one(broker)
    return str(caught.value)


@pytest.mark.usefixtures("_plugin")
def test_a_plugin_of_another_distribution_is_found_and_loaded() -> None:
    found = registry.load(["banyan", "banyan"])

    assert list(found) == ["banyan"]
    assert isinstance(found["banyan"], Adapter)
    assert found["banyan"].spec.name == "Banyan Securities"
    assert "banyan" in registry.installed()


@pytest.mark.usefixtures("_plugin")
def test_only_the_brokers_asked_for_are_imported() -> None:
    registry.load(["banyan"])

    assert "ordo_banyan" in sys.modules
    assert "ordo_banyan.old" not in sys.modules


@pytest.mark.usefixtures("_plugin")
def test_an_adapter_for_another_contract_is_refused_with_both_numbers() -> None:
    message = refusal("oldbanyan")

    assert "ordo_banyan.old:OLD_BANYAN of ordo-banyan 1.2" in message
    assert "written for contract 0, this ordod speaks 1" in message


@pytest.mark.usefixtures("_plugin")
@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ("brokenbanyan", "cannot be loaded: no module named 'banyan_secret_sauce'"),
        ("falsebanyan", "calls itself 'banyan'"),
        ("nobanyan", "is not an adapter but a BrokerSpec"),
        ("bannyan", "did you mean 'banyan'"),
        ("xyz", "installed are "),
    ],
)
def test_a_broker_that_cannot_be_had_says_why(broker: str, words: str) -> None:
    assert words in refusal(broker)


@pytest.mark.usefixtures("_plugin")
def test_a_broker_that_two_distributions_offer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "otherbanyan-3.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: otherbanyan\nVersion: 3\n")
    (other / "entry_points.txt").write_text("[ordod.adapters]\nbanyan = other_banyan:BANYAN\n")
    monkeypatch.syspath_prepend(tmp_path)

    message = refusal("banyan")

    assert "offered twice" in message
    assert "otherbanyan 3" in message
    assert "ordo-banyan 1.2" in message


@pytest.mark.usefixtures("_plugin")
def test_a_plugin_passes_the_compliance_suite_with_its_own_samples() -> None:
    adapter = registry.load_one("banyan")

    checks = suite.checks(adapter, PLUGIN / "samples")

    for check in checks:
        check.run()
    assert len(checks) > 10
