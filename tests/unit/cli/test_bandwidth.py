"""How people write rates, days and windows."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.bandwidth import read_days, read_rate, read_window, shown_rate, shown_window

pytestmark = pytest.mark.spec("CA-2")


@pytest.mark.parametrize(
    ("text", "bits"),
    [("20Mbps", 20_000_000), ("1.5 gbps", 1_500_000_000), ("512Kbps", 512_000), ("9000bps", 9000)],
)
def test_a_rate_is_read(text: str, bits: int) -> None:
    assert read_rate(text) == bits


@pytest.mark.parametrize("text", ["", "20", "fast", "20MB", "-1Mbps", "1,5Mbps"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_rate(text)


@given(st.integers(1, 10**6), st.sampled_from([10**3, 10**6]))
def test_what_is_shown_is_read_as_the_same(count: int, size: int) -> None:
    shown = shown_rate(count * size)
    assert read_rate(shown) == pytest.approx(count * size, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily", 7),
        ("Monday", 1),
        ("mon,wed,fri", 3),
        ("Mon-Fri", 5),
        ("Sat-Mon", 3),
        ("Mon-Mon", 1),
        ("Mon,Monday", 1),
    ],
)
def test_days_are_read(text: str, days: int) -> None:
    assert len(read_days(text)) == days


def test_a_window_is_read_and_shown() -> None:
    window = read_window("Friday-Saturday 8:00-18:30 20Mbps")
    assert window == {
        "days": ["Friday", "Saturday"],
        "start": "08:00",
        "end": "18:30",
        "bitsPerSecond": 20_000_000,
    }
    assert shown_window(window) == "Fri,Sat 08:00-18:30 20 Mbps"


@pytest.mark.parametrize(
    "text", ["", "Friday", "Friday 8-18 20Mbps", "Someday 08:00-18:00 1Mbps", "F 8:00-9:00 1Mbps"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_window(text)
