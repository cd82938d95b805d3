"""docs/alerts.rules.yaml and docs/grafana-dashboard.json against what a real daemon tells, and against Prometheus' own promtool.

promtool is in Debian's package `prometheus`; where it is not installed its tests are skipped.
"""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.daemon import Daemon, running
from tests.acceptance.test_transport import TERMS, http

DOCS = Path(__file__).parents[2] / "docs"
RULES = (DOCS / "alerts.rules.yaml").read_text(encoding="utf-8")
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
TABLE = (DOCS / "metrics.md").read_text(encoding="utf-8")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: apt install prometheus)"
)
OF_PROMETHEUS = {"job", "instance", "le", "alertname"}
SERIES_OF_AN_ACCOUNT_MAX = 250
GROWS = (
    "ordod_calls_total",
    "ordod_order_update_lag_seconds",
)  # by method and kind; two an account


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that has had orders of each kind, prices and a refusal."""
    folder = tmp_path_factory.mktemp("monitoring")
    accounts = '[accounts.paper]\nbroker = "paper"\n[accounts.second]\nbroker = "paper"\n'
    with running(folder / "ordod", accounts) as started, started.connect() as client:
        client.ask("events.subscribe", topics=["ticks"], symbols=["NSE:INFY"], accounts=["paper"])
        client.event()
        client.ask("order.place", **TERMS, key="k1")
        client.refused("order.place", **{**TERMS, "symbol": "NSE:NOSUCH"}, key="k2")
        yield started


def scraped(daemon: Daemon) -> str:
    status, _, body = http(daemon, "GET", "/metrics")
    assert status == 200
    return str(body.decode())


# What rules and dashboard name


def expressions() -> list[str]:
    """Every PromQL expression of both."""
    rules = re.findall(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", RULES, re.DOTALL)
    panels = [
        target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
    ]
    queries = [each["query"]["query"] for each in DASHBOARD["templating"]["list"][1:]]
    assert len(rules) == RULES.count("alert:")
    return [*rules, *panels, *queries]


SELECTOR = re.compile(r"\b((?:ordod|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")


def test_every_metric_that_rules_and_dashboard_name_is_told_by_a_daemon(daemon: Daemon) -> None:
    families = list(text_string_to_metric_families(scraped(daemon)))
    told: dict[str, set[str]] = {}
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        ends = ("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)
        told |= {name + end: set() for end in ends}
    labels = {
        name: set(filter(None, text.split(", ")))
        for name, text in re.findall(
            r"^\| `(ordod_\w+)` \| \w+ \| ([^|]*?) ?\|", TABLE, re.MULTILINE
        )
    }
    values = {
        (sample.name, *pair)
        for family in families
        for sample in family.samples
        for pair in sample.labels.items()
    }

    named = [(found, each) for each in expressions() for found in SELECTOR.findall(each)]
    strangers = [name for (name, _), _ in named if name not in told]
    odd_labels = [
        (name, label)
        for (name, matchers), _ in named
        for label, _, _ in MATCHER.findall(matchers)
        if label not in labels.get(re.sub("_(bucket|sum|count)$", "", name), set()) | OF_PROMETHEUS
    ]
    odd_values = [
        (name, label, value)
        for (name, matchers), _ in named
        for label, how, value in MATCHER.findall(matchers)
        if how == "=" and label not in OF_PROMETHEUS and (name, label, value) not in values
    ]

    assert len(named) > 80
    assert strangers == []
    assert odd_labels == []
    assert odd_values == []


def test_labels_that_are_grouped_by_or_shown_are_those_of_metrics() -> None:
    known = OF_PROMETHEUS | {
        label
        for text in re.findall(r"^\| `ordod_\w+` \| \w+ \| ([^|]*?) ?\|", TABLE, re.MULTILINE)
        for label in text.split(", ")
    }
    legends = [
        target["legendFormat"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]
    grouped = [
        label.strip()
        for each in expressions()
        for group in GROUPED.findall(each)
        for label in group.split(",")
    ]
    shown = re.findall(r"\{\{(\w+)\}\}", " ".join(legends))
    shown += re.findall(r"\$labels\.(\w+)", RULES)

    assert len(grouped) > 20
    assert len(shown) > 50
    assert set(grouped) | set(shown) <= known


def test_every_metric_of_the_table_is_in_a_rule_or_a_panel() -> None:
    shown = {
        re.sub("_(bucket|sum|count)$", "", name)
        for each in expressions()
        for name, _ in SELECTOR.findall(each)
    }

    assert set(re.findall(r"^\| `(ordod_\w+)`", TABLE, re.MULTILINE)) <= shown


# Series


def test_what_clients_send_adds_no_series_but_those_of_methods_and_kinds(daemon: Daemon) -> None:
    def series() -> Counter[str]:
        lines = (line for line in scraped(daemon).splitlines() if not line.startswith("#"))
        names = [re.split("[{ ]", line)[0] for line in lines]
        return Counter(name for name in names if name not in GROWS)

    with daemon.connect() as client:
        client.ask("events.subscribe", topics=["orders"])
        before = series()
        for number in range(30):
            odd = f"hostile-{number}"
            client.ask("order.place", **TERMS, key=odd, strategy=odd)
            client.refused("order.place", **{**TERMS, "symbol": f"NSE:X{number}"}, key=f"s-{odd}")
            client.refused("order.place", **{**TERMS, "account": odd}, key=odd)
            client.refused(odd)
            client.refused("order.get", order_id=odd)
            client.ask("events.subscribe", topics=["orders"], strategy=odd)
            http(daemon, "GET", f"/{odd}")
        text = scraped(daemon)

    assert series() == before
    assert "hostile" not in text
    of_account = [line for line in text.splitlines() if 'account="paper"' in line]
    assert 150 < len(of_account) <= SERIES_OF_AN_ACCOUNT_MAX


def test_what_was_refused_and_how_the_machine_is_are_told(daemon: Daemon) -> None:
    until = time.monotonic() + 30
    while "ordod_disk_free_bytes " not in (text := scraped(daemon)):
        assert time.monotonic() < until
        time.sleep(0.05)

    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert 0 < samples["ordod_disk_free_bytes",] <= samples["ordod_disk_size_bytes",]
    assert samples["ordod_loop_lag_seconds_count",] > 0
    assert samples["process_open_fds",] > 3
    assert samples["ordod_calls_total", ("method", "?"), ("outcome", "METHOD_NOT_FOUND")] >= 30
    key = ("account", "paper"), ("broker", "paper"), ("outcome", "refused")
    assert samples["ordod_orders_total", *key] >= 31
    assert samples["ordod_feed_subscribed", ("account", "paper")] == 1
    assert samples["ordod_connections",] >= 1


# The dashboard


def test_the_dashboard_has_the_shape_that_grafana_imports() -> None:
    panels = DASHBOARD["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}

    assert DASHBOARD["schemaVersion"] >= 36
    assert "__inputs" not in DASHBOARD
    assert rows[1:] == [
        *("Orders", "Latency by stage", "Sessions", "Journal", "Streams", "Clients", "System"),
    ]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
            assert panel["targets"], panel["title"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(set(refs)) == len(refs), panel["title"]


def test_no_panel_of_the_dashboard_covers_another() -> None:
    def covers(one: dict[str, int], other: dict[str, int]) -> bool:
        across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
        return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]

    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]

    assert all(p["x"] >= 0 and p["x"] + p["w"] <= 24 and p["h"] > 0 for p in places)
    assert not [pair for pair in combinations(places, 2) if covers(*pair)]


# promtool


def promtool(*arguments: str, told: str = "") -> "subprocess.CompletedProcess[str]":
    assert PROMTOOL is not None
    command = [PROMTOOL, *arguments]
    return subprocess.run(command, input=told, capture_output=True, text=True, check=False)


@needs_promtool
def test_promtool_finds_nothing_to_say_of_a_scrape(daemon: Daemon) -> None:
    ours = "\n".join(
        line for line in scraped(daemon).splitlines() if not re.search(r"\bprocess_", line)
    )

    done = promtool("check", "metrics", told=ours + "\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", str(DOCS / "alerts.rules.yaml"))

    assert done.returncode == 0, done.stderr


@needs_promtool
def test_promtool_takes_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    written = [
        re.sub(r"\$__rate_interval", "1m", re.sub(r'"\$\w+"', '".*"', target["expr"]))
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]
    rules = [{"record": f"r:r{number}", "expr": each} for number, each in enumerate(written)]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    done = promtool("check", "rules", str(file))

    assert done.returncode == 0, done.stderr


# Alert -> series under which it fires, and under which it does not; one sample a minute from Thursday 1970-01-01 00:00 UTC.
Given = dict[str, str]
FIRES: dict[str, tuple[Given, Given]] = {
    "OrdoDown": ({'up{job="ordod"}': "0x60"}, {'up{job="ordod"}': "1x60"}),
    "OrdoKilled": ({"ordod_kill_engaged": "0x20 1x40"}, {"ordod_kill_engaged": "0x60"}),
    "OrdoKillSweepLasts": (
        {"ordod_kill_sweep_running": "1x60"},
        {"ordod_kill_sweep_running": "0x27 1x3 0x30"},
    ),
    "OrdoJournalFailed": ({"ordod_journal_failed": "1x60"}, {"ordod_journal_failed": "0x60"}),
    "OrdoJournalFull": ({"ordod_journal_full": "1x60"}, {"ordod_journal_full": "0x60"}),
    "OrdoDiskNearlyFull": (
        {"ordod_disk_free_bytes": "4000000000x60", "ordod_disk_size_bytes": "100000000000x60"},
        {"ordod_disk_free_bytes": "6000000000x60", "ordod_disk_size_bytes": "100000000000x60"},
    ),
    "OrdoSyncSlow": (
        {
            'ordod_journal_sync_seconds_bucket{le="0.1"}': "0+90x60",
            'ordod_journal_sync_seconds_bucket{le="0.5"}': "0+100x60",
            'ordod_journal_sync_seconds_bucket{le="+Inf"}': "0+100x60",
        },
        {
            'ordod_journal_sync_seconds_bucket{le="0.1"}': "0+100x60",
            'ordod_journal_sync_seconds_bucket{le="0.5"}': "0+100x60",
            'ordod_journal_sync_seconds_bucket{le="+Inf"}': "0+100x60",
        },
    ),
    "OrdoDoubtOld": (
        {'ordod_doubt_oldest_age_seconds{account="kite"}': "0x20 601x40"},
        {'ordod_doubt_oldest_age_seconds{account="kite"}': "300x60"},
    ),
    "OrdoCannotTrade": (
        {'ordod_account_can_trade{account="kite",broker="zerodha"}': "0x60"},
        {'ordod_account_can_trade{account="kite",broker="zerodha"}': "1x60"},
    ),
    "OrdoSessionNeedsPerson": (
        {'ordod_session_needs_person{account="kite"}': "1x60"},
        {'ordod_session_needs_person{account="kite"}': "0x60"},
    ),
    "OrdoSessionDenied": (
        {'ordod_session_state{account="kite",broker="zerodha",state="denied"}': "1x60"},
        {
            'ordod_session_state{account="kite",broker="zerodha",state="denied"}': "0x60",
            'ordod_session_state{account="kite",broker="zerodha",state="active"}': "1x60",
        },
    ),
    "OrdoBreakerOpen": (
        {'ordod_breaker_open{account="kite"}': "0x20 1x40"},
        {'ordod_breaker_open{account="kite"}': "0x60"},
    ),
    "OrdoOrdersRejected": (
        {'ordod_orders_total{account="kite",outcome="rejected"}': "0+5x60"},
        {'ordod_orders_total{account="kite",outcome="rejected"}': "0+1x60"},
    ),
    "OrdoRateLimited": (
        {'ordod_rate_refused_total{account="kite",request="write"}': "0x27 1x33"},
        {
            'ordod_rate_refused_total{account="kite",request="write"}': "3x60",
            'ordod_rate_refused_total{account="kite",request="read"}': "0+1x60",
        },
    ),
    "OrdoFeedSilent": (
        {
            'ordod_feed_age_seconds{account="kite"}': "90x60",
            'ordod_feed_instruments{account="kite"}': "5x60",
        },
        {
            'ordod_feed_age_seconds{account="kite"}': "90x60",
            'ordod_feed_instruments{account="kite"}': "0x60",
        },
    ),
    "OrdoClockSkew": (
        {'ordod_clock_skew_seconds{account="kite"}': "-8x60"},
        {'ordod_clock_skew_seconds{account="kite"}': "2x60"},
    ),
    "OrdoLoopLag": (
        {
            'ordod_loop_lag_seconds_bucket{le="0.1"}': "0+90x60",
            'ordod_loop_lag_seconds_bucket{le="1.0"}': "0+100x60",
            'ordod_loop_lag_seconds_bucket{le="+Inf"}': "0+100x60",
        },
        {
            'ordod_loop_lag_seconds_bucket{le="0.1"}': "0+100x60",
            'ordod_loop_lag_seconds_bucket{le="1.0"}': "0+100x60",
            'ordod_loop_lag_seconds_bucket{le="+Inf"}': "0+100x60",
        },
    ),
    "OrdoCallsRefused": (
        {'ordod_calls_refused_total{kind="FORBIDDEN"}': "0+2x60"},
        {'ordod_calls_refused_total{kind="FORBIDDEN"}': "7x60"},
    ),
    "OrdoClientDropped": (
        {'ordod_connections_dropped_total{reason="slow_reader"}': "0x27 1x33"},
        {'ordod_connections_dropped_total{reason="slow_reader"}': "1x60"},
    ),
    "OrdoAlertsNotDelivered": (
        {
            'ordod_alerts_failed_total{receiver="pager"}': "0x27 1x33",
            'ordod_alerts_dropped_total{receiver="pager"}': "0x60",
        },
        {
            'ordod_alerts_failed_total{receiver="pager"}': "1x60",
            'ordod_alerts_dropped_total{receiver="pager"}': "0x60",
        },
    ),
    "OrdoFilesNearlyOut": (
        {'process_open_fds{job="ordod"}': "900x60", 'process_max_fds{job="ordod"}': "1024x60"},
        {'process_open_fds{job="ordod"}': "90x60", 'process_max_fds{job="ordod"}': "1024x60"},
    ),
}
LOOKED_AT = 30  # minutes
OPEN_AT, NIGHT_AT = 300, 120  # 05:00 UTC is 10:30 in India, 02:00 is 07:30; a Thursday
OF_HOURS = ("OrdoCannotTrade", "OrdoFeedSilent")


def test_every_alert_has_a_case() -> None:
    assert re.findall(r"alert: (\w+)", RULES) == list(FIRES)


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_when_it_should_not(tmp_path: Path) -> None:
    def case(name: str, series: Given, at: int, fires: bool) -> dict[str, Any]:
        firing = f'count by (alertname) (ALERTS{{alertstate="firing",alertname="{name}"}})'
        samples = [{"labels": f'{{alertname="{name}"}}', "value": 1}] if fires else []
        longer = {one: values.replace("x60", f"x{at + 10}") for one, values in series.items()}
        return {
            "interval": "1m",
            "input_series": [{"series": one, "values": said} for one, said in longer.items()],
            "promql_expr_test": [{"expr": firing, "eval_time": f"{at}m", "exp_samples": samples}],
        }

    cases = [
        case(name, series, OPEN_AT if name in OF_HOURS else LOOKED_AT, fires)
        for name, (yes, no) in FIRES.items()
        for series, fires in ((yes, True), (no, False))
    ]
    at_night = [case(name, FIRES[name][0], NIGHT_AT, False) for name in OF_HOURS]
    file = tmp_path / "alerts.test.yaml"
    content = {"rule_files": [str(DOCS / "alerts.rules.yaml")], "evaluation_interval": "1m"}
    file.write_text(json.dumps({**content, "tests": [*cases, *at_night]}))

    done = promtool("test", "rules", str(file))

    assert done.returncode == 0, done.stdout + done.stderr
