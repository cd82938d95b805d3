"""The configuration file: what it gives, and what it says to somebody who wrote it wrong."""

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.config import ConfigError, LogLevel, RoleName, Settings, find, load, parse
from ordod.config.lines import key_lines
from ordod.domain.orders import Product
from ordod.domain.references import SecretReference, SecretSource
from ordod.domain.risk import RiskLimits

ROOT = Path(__file__).parent.parent
FILE = Path("/etc/ordod/ordod.conf")
OPTIONS: dict[str, dict[str, bool]] = {  # and whether each is a secret
    "angelone": {
        "client_local_ip": False,
        "client_public_ip": False,
        "mac_address": False,
        "feed_token": True,
    },
    "dhan": {},
    "flattrade": {},
    "fyers": {"redirect_uri": False},
    "iifl": {"redirect_uri": False, "market_api_key": True, "market_api_secret": True},
    "motilal": {"vendor_code": False, "redirect_uri": False},
    "paper": {},
    "shoonya": {},
    "tradesmart": {},
    "upstox": {"redirect_uri": False},
    "zebu": {},
    "zerodha": {},
}

KITE = '[accounts.kite]\nbroker = "zerodha"\n'


def read(
    text: str, *, mode: int = 0o600, environment: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    return parse(
        text,
        file=FILE,
        mode=mode,
        environment={"HOME": "/home/asha"} | dict(environment),
        options_of=OPTIONS.get,
        brokers=tuple(OPTIONS),
    )


def mistakes_of(text: str, *, mode: int = 0o600) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, mode=mode)
    return [mistake.removeprefix(f"{FILE}:") for mistake in caught.value.mistakes]


# What a good file gives


def test_an_empty_file_gives_the_defaults() -> None:
    settings = read("")

    assert settings.daemon.state_dir == Path("/home/asha/.local/state/ordod")
    assert settings.daemon.socket == Path("/home/asha/.local/state/ordod/ordod.sock")
    assert settings.daemon.log_level is LogLevel.INFO
    assert settings.accounts == {}
    assert settings.access.users == settings.access.groups == {}
    assert settings.risk.everywhere == RiskLimits()


@pytest.mark.parametrize(
    ("environment", "socket"),
    [
        ({"STATE_DIRECTORY": "/var/lib/ordod:/other"}, "/var/lib/ordod/ordod.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/ordod/ordod.sock"),
        (
            {"XDG_RUNTIME_DIR": "/run/user/7", "RUNTIME_DIRECTORY": "/run/ordod"},
            "/run/ordod/ordod.sock",
        ),
    ],
)
def test_the_socket_goes_to_the_first_directory_systemd_or_the_session_gives(
    environment: dict[str, str], socket: str
) -> None:
    assert read("", environment=environment).daemon.socket == Path(socket)


def test_the_stores_key_is_a_reference_and_never_the_key_itself() -> None:
    settings = read('[daemon]\nstore_key = "file:~/store.key"')

    assert settings.daemon.store_key == SecretReference(SecretSource.FILE, "/home/asha/store.key")
    assert settings.public()["daemon"]["store_key"] == "file:/home/asha/store.key"
    (mistake,) = mistakes_of('[daemon]\nstore_key = "0123456789abcdef"')
    assert "0123456789abcdef" not in mistake


def test_a_path_may_begin_at_home() -> None:
    settings = read('[daemon]\nstate_dir = "~/ordod"\nsocket = "/run/o.sock"')

    assert settings.daemon.state_dir == Path("/home/asha/ordod")
    assert settings.daemon.socket == Path("/run/o.sock")


def test_an_account_has_what_its_table_says() -> None:
    text = """
        [accounts.mo-1]
        broker = "motilal"
        user_id = "AB1"
        base_url = "https://uat.example/v2/"
        urls.stream = "wss://stream.example"
        source_address = "192.0.2.7"
        login = "headless"
        doubt_horizon_s = 90
        market_protection = 2.5
        api_key = "env:MO_KEY"
        pin = "0042"
        vendor_code = "V7"
        [accounts.mo-1.risk]
        max_quantity = 10
    """

    account = read(text).accounts["mo-1"]

    assert account.broker == "motilal"
    assert account.user_id == "AB1"
    assert account.base_url == "https://uat.example/v2"
    assert account.urls == {"stream": "wss://stream.example"}
    assert account.source_address == "192.0.2.7"
    assert account.login == "headless"
    assert account.doubt_horizon_s == 90
    assert account.market_protection == Decimal("2.5")
    assert account.options == {"vendor_code": "V7"}
    assert account.risk == RiskLimits(max_quantity=10)
    assert account.secrets == {
        "api_key": SecretReference(SecretSource.ENV, "MO_KEY"),
        "pin": SecretReference(SecretSource.LITERAL, "0042"),
    }


def test_money_in_a_limit_is_exact() -> None:
    text = "[risk]\nmax_value = 100000.10\nprice_band_percent = 0.1"

    limits = read(text).risk.everywhere

    assert limits.max_value == Decimal("100000.10")
    assert limits.price_band_percent == Decimal("0.1")


def test_limits_stand_for_everything_and_for_a_strategy() -> None:
    text = """
        [risk]
        orders_per_second = 5
        allow_instruments = ["NFO:NIFTY*", "NSE:M&M"]
        forbid_products = ["MTF"]
        market_hours = true
        [risk.strategies."mean.rev"]
        look_alike_s = 1.5
    """

    risk = read(text).risk

    assert risk.everywhere.orders_per_second == 5
    assert risk.everywhere.allow_instruments == ("NFO:NIFTY*", "NSE:M&M")
    assert risk.everywhere.forbid_products == (Product.MTF,)
    assert risk.everywhere.market_hours
    assert risk.strategies["mean.rev"].look_alike_s == 1.5


def test_a_user_has_one_role_or_one_for_each_account() -> None:
    text = """
        [access.users]
        asha = "trade"
        ravi = { role = "read", accounts = { paper = "admin" } }
        [access.groups.desk]
        accounts = { paper = "trade" }
        [accounts.paper]
        broker = "paper"
    """

    access = read(text).access

    assert access.users["asha"].role is RoleName.TRADE
    assert access.users["ravi"].role is RoleName.READ
    assert access.users["ravi"].accounts == {"paper": RoleName.ADMIN}
    assert access.groups["desk"].role is RoleName.NOBODY


# What a wrong file is told


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[daemon]\n\nlog_levl = "debug"', '3: [daemon] unknown key "log_levl"; did you mean "log_level"?'),
        ("[deamon]", '1: unknown key "deamon"; did you mean "daemon"?'),
        (KITE + 'api_kye = "x"', '3: [accounts.kite] unknown key "api_kye"; did you mean "api_key"?'),
        ("[risk]\nmax_quantity = true", "2: [risk] max_quantity must be a whole number, and is true or false"),
        ("[risk]\nmax_quantity = 1.5", "2: [risk] max_quantity must be a whole number, and is a number with decimals"),
        ("[risk]\nmax_value = nan", "2: [risk] max_value must be above 0, and is NaN"),
        ("[risk]\norders_per_day = 0", "2: [risk] orders_per_day must be above 0, and is 0"),
        ('[risk]\nallow_products = ["MISS"]', 'did you mean "MIS"?'),
        ('[risk]\nallow_instruments = ["NIFTY"]', "write EXCHANGE:SYMBOL"),
        ('[risk]\nallow_instruments = ["NFOO:NIFTY"]', 'no exchange NFOO; did you mean "NFO"?'),
        ('[risk]\nforbid_instruments = ["NSE:infy"]', "symbols are written in capitals"),
        ('[risk]\nforbid_instruments = [1]', "must be a list of strings"),
        ('[risk.strategies."a b"]', "is no strategy"),
        ('[daemon]\ntcp = "127.0.0.1"', '2: [daemon] tcp must be host:port, as 127.0.0.1:7878 or [::1]:7878, and is "127.0.0.1"'),
        ('[daemon]\ntcp = "127.0.0.1:0"', '2: [daemon] tcp must be host:port, as 127.0.0.1:7878 or [::1]:7878, and is "127.0.0.1:0"'),
        ('[daemon]\ntcp = "::1:7878"', '2: [daemon] tcp is "::1:7878": an IPv6 address stands in brackets, as [::1]:7878'),
        ('[daemon]\ntcp = "127.0.0.256:7878"', '2: [daemon] tcp is "127.0.0.256:7878": 127.0.0.256 is no address'),
        ('[daemon]\ntcp = "*:7878"', '2: [daemon] tcp names no host: "*:7878"; to listen everywhere it is 0.0.0.0 or [::]'),
        ('[daemon]\ntcp = 7878', "2: [daemon] tcp must be a string, in quotes, and is a whole number"),
        *(
            (
                f'[daemon]\ntcp = "{address}:7878"',
                f'2: [daemon] tcp is "{address}:7878", which other machines reach, and nothing is encrypted: set tls_cert and tls_key, or listen at 127.0.0.1',
            )
            for address in ("0.0.0.0", "[::]", "192.0.2.7", "ordo.example", "localhost.example")
        ),
        ('[daemon]\ntls_cert = "/c"', '2: [daemon] tls_cert is for TCP, and there is none: set tcp = "127.0.0.1:7878"'),
        ('[daemon]\ntcp_idle_s = 60', '2: [daemon] tcp_idle_s is for TCP, and there is none: set tcp = "127.0.0.1:7878"'),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_cert = "/c"', "3: [daemon] tls_cert needs tls_key beside it"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_key = "file:/k"', "3: [daemon] tls_key needs tls_cert beside it"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_client_ca = "/c"', "3: [daemon] tls_client_ca needs tls_cert and tls_key beside it"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_cert = "/c"\ntls_key = "/k"', '4: [daemon] tls_key must be file:PATH or credential:NAME; did you mean "file:/k"?'),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_cert = "/c"\ntls_key = "env:KEY"', "4: [daemon] tls_key must be file:PATH or credential:NAME"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntcp_idle_s = 1', "3: [daemon] tcp_idle_s is 1: at least 10 seconds"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntcp_connections = 5000', "3: [daemon] tcp_connections is 5000: at most 4096"),
        ('[daemon]\ntcp = "127.0.0.1:1"\ntls_crt = "/c"', '3: [daemon] unknown key "tls_crt"; did you mean "tls_cert"?'),
        ('[daemon]\nsocket = "ordod.sock"', "must be a whole path"),
        (f'[daemon]\nsocket = "/{"x" * 110}"', "longer than the 107 bytes"),
        ('[access.users]\nasha = "trad"', '2: [access.users] asha cannot be "trad": it is one of read, trade, admin; did you mean "trade"?'),
        ('[access.users]\nasha = { accounts = { papr = "read" } }\n[accounts.paper]\nbroker = "paper"', '2: [access.users.asha.accounts] papr is no account; did you mean "paper"?'),
        ("[access.users.asha]", "gives nothing"),
        ("[accounts.Kite]\nbroker = 'paper'", "1: [accounts] Kite is no name for an account"),
        ("[accounts.kite]", "has no broker"),
        ('[accounts.kite]\nbroker = "zeroda"', '"zeroda" is none that this installation has; did you mean "zerodha"?'),
        (KITE + 'base_url = "http://api.example"', "is not encrypted"),
        (KITE + 'base_url = "ftp://api.example"', "must begin with http:// or https://"),
        (KITE + 'base_url = "https://api.example/?x=1"', "without ? or #"),
        (KITE + 'urls.stream = "ws://api.example"', "is not encrypted"),
        (KITE + 'source_address = "my-host"', "must be an IP address"),
        (KITE + "doubt_horizon_s = 59", "3: [accounts.kite] doubt_horizon_s is 59: under 60"),
        (KITE + 'doubt_horizon_s = 5\nbase_url = "http://127.0.0.1"\nurls.x = "https://api.example"', "under 60"),
        (KITE + "market_protection = 101", "above 100"),
        (KITE + 'api_key = "store:"', "must be store:NAME"),
        (KITE + 'api_key = "store:a/b"', "must be store:NAME"),
        ('[daemon]\nstore_kye = "file:/k"', '2: [daemon] unknown key "store_kye"; did you mean "store_key"?'),
        ('[daemon]\nstore_key = 7', "2: [daemon] store_key must be a string"),
        ('[daemon]\nstore_key = "store:key"', "2: [daemon] store_key must be file:PATH, credential:NAME or env:NAME"),
        ('[daemon]\nstore_key = "fil:/etc/key"', 'credential:NAME or env:NAME; did you mean "file"?'),
        ('[daemon]\nstore_key = "file:key"', "[daemon] store_key must be file:PATH, with a whole path"),
        ('[daemon]\nstore_key = "env:A-B"', "[daemon] store_key must be env:NAME"),
        (KITE + 'api_key = "credential:../x"', "must be credential:NAME"),
        (KITE + 'api_key = "env:A-B"', "must be env:NAME"),
        (KITE + 'api_key = "file:secret"', "must be file:PATH"),
        (KITE + 'api_key = ""', "is empty"),
        ("a = 1\na = 2", "2: Cannot overwrite a value"),
        ("[daemon", "1: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_what_was_meant(text: str, mistake: str) -> None:
    mistakes = mistakes_of(text)

    assert len(mistakes) == 1
    assert mistake in mistakes[0]


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = '[accounts.a]\nbroker = "papr"\nbase_url = 7\n[daemon]\nlog_level = "loud"\nx = 1'

    mistakes = mistakes_of(text)

    assert [mistake.split(":")[0] for mistake in mistakes] == ["2", "3", "5", "6"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9010", "http://localhost:9010", "https://[::1]/"]
)
def test_a_short_horizon_is_for_loopback(url: str) -> None:
    account = read(f'{KITE}base_url = "{url}"\ndoubt_horizon_s = 0.5').accounts["kite"]

    assert account.doubt_horizon_s == 0.5


def test_a_short_horizon_is_for_the_paper_broker() -> None:
    text = '[accounts.p]\nbroker = "paper"\ndoubt_horizon_s = 1'

    assert read(text).accounts["p"].doubt_horizon_s == 1


# Secrets


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_literal_secret_in_a_file_others_can_read_is_refused(mode: int) -> None:
    mistakes = mistakes_of(KITE + 'password = "hunter2"', mode=mode)

    assert len(mistakes) == 1
    assert f"password is a secret in a file others can read (mode {mode:04o})" in mistakes[0]
    assert f"chmod 600 {FILE}" in mistakes[0]


@pytest.mark.parametrize(
    "line",
    [
        'password = "envv:hunter2"',
        "password = ['hunter2']",
        'pasword = "hunter2"',
        'api_key = "credential:hunter2/x"',
        'api_key = "file:hunter2"',
        'base_url = "http://hunter2:hunter2@api.example"',
        'password = "hunter2',
    ],
)
def test_a_mistake_never_repeats_what_may_be_a_secret(line: str) -> None:
    mistakes = mistakes_of(KITE + line)

    assert mistakes
    assert "hunter2" not in "".join(mistakes)


def test_a_brokers_own_secrets_are_secrets_like_all_others() -> None:
    xts = '[accounts.x]\nbroker = "iifl"\nmarket_api_key = "env:MARKET"\n'

    account = read(xts + 'market_api_secret = "hunter2"').accounts["x"]

    assert account.secrets["market_api_key"] == SecretReference(SecretSource.ENV, "MARKET")
    assert "hunter2" not in repr(account.secrets)
    assert account.options == {}
    (told,) = mistakes_of(xts + 'market_api_secret = "hunter2"', mode=0o644)
    assert "market_api_secret" in told
    assert "hunter2" not in told
    assert mistakes_of(KITE + 'market_api_key = "env:MARKET"')


def test_the_public_view_shows_references_and_no_secret() -> None:
    text = """
        [accounts.mo]
        broker = "motilal"
        api_key = "env:MO_KEY"
        password = "hunter2"
        vendor_code = "hunter2"
    """

    settings = read(text)
    shown = settings.public()

    assert shown["accounts"]["mo"]["secrets"] == {"api_key": "env:MO_KEY", "password": "***"}
    assert "hunter2" not in str(shown)
    assert "hunter2" not in repr(settings.accounts["mo"].secrets)


def test_settings_are_never_encoded_with_their_secrets() -> None:
    settings = read(KITE + 'password = "hunter2"')

    with pytest.raises((TypeError, NotImplementedError)):
        msgspec.json.encode(settings.accounts)


# Files


def test_the_file_asked_for_comes_before_the_usual_places(tmp_path: Path) -> None:
    usual = tmp_path / ".config/ordod/ordod.conf"
    usual.parent.mkdir(parents=True)
    usual.touch()

    assert find(None, tmp_path) == usual
    assert find(tmp_path / "mine", tmp_path) == tmp_path / "mine"


def test_where_no_file_is_the_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"looked for /etc/ordod/ordod\.conf and .*--config FILE"):
        find(None, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"a = '\xff'", ":1: not UTF-8"), (b"#" * 2**21, "larger than")]
)
def test_a_file_that_is_no_text_of_a_sane_size_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "ordod.conf"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        load(file, environment={}, options_of=OPTIONS.get)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.conf: No such file"):
        load(tmp_path / "none.conf", environment={}, options_of=OPTIONS.get)


def test_the_mode_is_the_files_own(tmp_path: Path) -> None:
    file = tmp_path / "ordod.conf"
    file.write_text(KITE + 'password = "hunter2"')

    file.chmod(0o600)
    private = load(file, environment={}, options_of=OPTIONS.get)
    file.chmod(0o644)

    assert private.accounts["kite"].secrets["password"].source is SecretSource.LITERAL
    with pytest.raises(ConfigError, match=r"chmod 600"):
        load(file, environment={}, options_of=OPTIONS.get)


# The example


def test_the_example_runs_as_it_is_with_one_paper_account() -> None:
    settings = read((ROOT / "ordod.conf.example").read_text(), mode=0o644)

    assert [account.broker for account in settings.accounts.values()] == ["paper"]
    assert settings.accounts["paper"].secrets == {}


def test_every_key_of_the_example_is_valid_when_uncommented() -> None:
    example = (ROOT / "ordod.conf.example").read_text()
    uncommented = re.sub(r"^# (?=\[|[a-z_]+ = )", "", example, flags=re.MULTILINE)

    settings = read(uncommented, mode=0o644)

    assert settings.accounts["kite"].urls
    assert settings.access.users["ravi"].accounts == {"paper": RoleName.TRADE}


def test_the_example_names_every_key_there_is() -> None:
    example = (ROOT / "ordod.conf.example").read_text()
    account = "broker base_url source_address login doubt_horizon_s market_protection user_id"
    secrets = "api_key api_secret password pin totp_secret access_token"
    keys = f"socket state_dir log_level {account} {secrets}".split()

    missing = [
        key
        for key in (*keys, *RiskLimits.__struct_fields__)
        if not re.search(rf"^(# )?{key} = ", example, re.MULTILINE)
    ]

    assert missing == []


# Lines

KEYS = st.text("abc-_. \"'\\é#=[]{}", min_size=1, max_size=6)
VALUES = st.sampled_from(
    [
        "1",
        "'#'",
        '"a\\"]#"',
        '"""\nx = 1\n"""',
        "'''\n[no]\n'''",
        "[1, # one\n 2,\n]",
        "[[], {a = 1}]",
        "{a = 1, b = {c = ']'}}",
        "1979-05-27 07:32:00",
        '""""quoted""""',
    ]
)


@given(
    st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=2), VALUES), max_size=6), st.booleans()
)
def test_a_key_is_found_on_the_line_it_was_written(
    pairs: list[tuple[list[str], str]], windows: bool
) -> None:
    text, expected = "", {}
    for number, (names, value) in enumerate(pairs):
        text += f"# a = 1\n[t{number}]\n"
        path = (f"t{number}", *names)
        expected[path] = text.count("\n") + 1
        text += ".".join(_quoted(name) for name in names) + f" = {value} # end\n\n"
    if windows:
        text = text.replace("\n", "\r\n")

    lines = key_lines(text)

    assert {path: lines.get(path) for path in expected} == expected


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
