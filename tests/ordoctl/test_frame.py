"""Candles as a pandas DataFrame."""

import subprocess
import sys
from datetime import datetime
from decimal import Decimal

import pandas

from ordoctl import Client
from ordoctl.ist import IST
from ordoctl.models import Candle, Candles
from tests.ordoctl.scripted import ScriptedDaemon

AT = datetime(2026, 11, 23, 9, 15, tzinfo=IST)
PRICES = (Decimal("1400.05"), Decimal(1410), Decimal("1399.95"), Decimal("1405.1"))


def test_candles_are_rows_by_their_time_in_ist() -> None:
    frame = Candles(
        [Candle(AT, *PRICES, 1200, None), Candle(AT.replace(minute=30), *PRICES)]
    ).to_frame()

    assert list(frame.columns) == ["open", "high", "low", "close", "volume", "oi"]
    assert str(frame.index.dtype).startswith("datetime64[")
    assert "Asia/Kolkata" in str(frame.index.dtype)
    assert [at.isoformat() for at in frame.index] == [
        "2026-11-23T09:15:00+05:30",
        "2026-11-23T09:30:00+05:30",
    ]
    assert [str(kind) for kind in frame.dtypes] == ["float64"] * 4 + ["Int64"] * 2
    assert frame["open"].tolist() == [1400.05, 1400.05]
    assert frame["volume"].iloc[0] == 1200
    assert frame["volume"].iloc[1] is pandas.NA
    assert frame["oi"].isna().all()


def test_no_candles_are_an_empty_frame_of_the_same_kinds() -> None:
    frame = Candles().to_frame()

    assert len(frame) == 0
    assert [str(kind) for kind in frame.dtypes] == ["float64"] * 4 + ["Int64"] * 2
    assert "Asia/Kolkata" in str(frame.index.dtype)


def test_the_client_answers_what_can_be_made_a_frame(daemon: ScriptedDaemon) -> None:
    row = ["2026-11-23T09:15:00+05:30", 1400.05, 1410, 1399.95, 1405.1, 1200, None]
    daemon.on("market.candles", {"candles": [row]})

    with Client(daemon.path) as client:
        found = client.market.candles("NSE:INFY", "15m", AT, AT)

    assert found[0].open == Decimal("1400.05")
    assert found.to_frame()["close"].tolist() == [1405.1]


def test_without_pandas_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from ordoctl.models import Candles\n"
        "try: Candles().to_frame()\n"
        "except ImportError as why: print(why)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'ordod[frame]'" in done.stdout
