import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from services.data_collection.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS, duration_ms, start_of


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        pytest.param("250ms", 250, id="milliseconds"),
        pytest.param("30s", 30_000, id="seconds"),
        pytest.param("15m", 15 * MINUTE_MS, id="minutes"),
        pytest.param("1h", HOUR_MS, id="hour"),
        pytest.param("7d", 7 * DAY_MS, id="days"),
        pytest.param("3660d", 3660 * DAY_MS, id="longest"),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert duration_ms(text, name="every", at_least_ms=1) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "m",
        "0s",
        "-1m",
        "1.5h",
        "1 h",
        "1w",
        "1M",
        "PT1M",
        "01m",
        "3661d",
        "9" * 40 + "d",
        "1m\n",
        "\uff11m",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequestError, match=r"^every: "):
        duration_ms(text, name="every", at_least_ms=1)


def test_a_duration_below_the_least_is_refused() -> None:
    with pytest.raises(BadRequestError, match=r"^every: must be at least 1000 ms"):
        duration_ms("999ms", name="every", at_least_ms=1000)


@given(st.integers(-(2**60), 2**60), st.integers(1, 2**40))
def test_an_instant_is_in_the_bucket_that_starts_at_or_before_it(time_ms: int, every_ms: int) -> None:
    start = start_of(time_ms, every_ms)

    assert start <= time_ms < start + every_ms
    assert start % every_ms == 0


def test_days_begin_at_midnight_utc_whatever_clocks_were_put_forward() -> None:
    noon_after_the_change_in_europe = 1_774_785_600_000  # 2026-03-29T12:00Z

    assert start_of(noon_after_the_change_in_europe, DAY_MS) == 1_774_742_400_000  # 2026-03-29T00:00Z
