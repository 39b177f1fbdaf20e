from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.process import ProcessSettings, SettingsError, Variable, describe, load_settings, setting
from libs.process.spelling import Limits, parse, spell


@dataclass(frozen=True, kw_only=True)
class OrchardSettings:
    wait_s: float = setting(2.5, unit="s", doc="Long enough for a cold store.")
    cache_bytes: int = setting(65536, unit="bytes")
    trees: int = setting(3, minimum=1, maximum=9)
    ripe: bool = setting(default=False)
    kinds: tuple[str, ...] = setting(("olive",))
    owner: str | None = setting(None)
    port: int = setting(8080, env="GROVE_HTTP_PORT")
    pin: int | None = setting(None, secret=True)


@dataclass(frozen=True, kw_only=True)
class NeedySettings:
    first: str = setting()
    second: int = setting(secret=True)


def load(**environ: str) -> OrchardSettings:
    return load_settings(OrchardSettings, environ, service="olive-press")


def test_defaults_stand_for_what_is_unset_or_empty() -> None:
    assert load(GROVE_OLIVE_PRESS_TREES="", GROVE_OLIVE_PRESS_OWNER="  ") == OrchardSettings()


def test_every_type_is_read() -> None:
    settings = load(
        GROVE_OLIVE_PRESS_WAIT_S="0.25",
        GROVE_OLIVE_PRESS_CACHE_BYTES="4MiB",
        GROVE_OLIVE_PRESS_TREES="7",
        GROVE_OLIVE_PRESS_RIPE="Yes",
        GROVE_OLIVE_PRESS_KINDS="olive, fig ,,",
        GROVE_OLIVE_PRESS_OWNER="Rosa",
        GROVE_HTTP_PORT="0",
        GROVE_OLIVE_PRESS_PIN="12",
    )

    assert settings == OrchardSettings(
        wait_s=0.25,
        cache_bytes=4 * 2**20,
        trees=7,
        ripe=True,
        kinds=("olive", "fig"),
        owner="Rosa",
        port=0,
        pin=12,
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        pytest.param("WAIT_S", "soon", "must be a number, not 'soon'", id="text for a number"),
        pytest.param("WAIT_S", "nan", "must be a number, not 'nan'", id="not a number"),
        pytest.param("WAIT_S", "inf", "must be a number, not 'inf'", id="infinite"),
        pytest.param("WAIT_S", "-1", "must be at least 0, not '-1'", id="negative duration"),
        pytest.param(
            "CACHE_BYTES", "4MB", "must be a size such as 4096, 64KiB or 4GiB, not '4MB'", id="decimal unit"
        ),
        pytest.param("TREES", "10", "must be at most 9, not '10'", id="above the maximum"),
        pytest.param("TREES", "0", "must be at least 1, not '0'", id="below the minimum"),
        pytest.param("TREES", "1.0", "must be a whole number, not '1.0'", id="fraction"),
        pytest.param("TREES", "9" * 5000, f"must be a whole number, not '{'9' * 5000}'", id="endless"),
        pytest.param("RIPE", "maybe", "must be true or false, not 'maybe'", id="neither true nor false"),
        pytest.param("PIN", "four", "must be a whole number", id="secret is not shown"),
        pytest.param("KINDS", "", None, id="empty is unset"),
    ],
)
def test_a_bad_value_is_named_with_what_it_must_be(name: str, text: str, problem: str | None) -> None:
    variable = f"GROVE_OLIVE_PRESS_{name}"
    if problem is None:
        assert load(**{variable: text}) == OrchardSettings()
        return

    with pytest.raises(SettingsError) as raised:
        load(**{variable: text})

    assert raised.value.problems == (f"{variable} {problem}",)


def test_all_problems_are_told_at_once_on_one_line() -> None:
    environ = {"GROVE_NEEDY_SECOND": "x\ny", "GROVE_NEEDY_FRIST": "1", "PATH": "/bin"}

    with pytest.raises(SettingsError) as raised:
        load_settings(NeedySettings, environ, service="needy", known=("GROVE_BIND",))

    assert str(raised.value) == (
        "unknown variable GROVE_NEEDY_FRIST (did you mean GROVE_NEEDY_FIRST?); GROVE_NEEDY_FIRST is not set; "
        "GROVE_NEEDY_SECOND must be a whole number"
    )


def test_an_unknown_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(SettingsError, match=r"^unknown variable GROVE_XYZZY$"):
        load_settings(OrchardSettings, {"GROVE_XYZZY": "1"}, service="olive-press", known=("GROVE_BIND",))


def test_a_field_that_was_not_declared_is_our_mistake() -> None:
    @dataclass(frozen=True)
    class Careless:
        forgotten: int = 1

    with pytest.raises(TypeError, match="forgotten is not declared"):
        load_settings(Careless, {})


def test_a_type_that_no_environment_can_hold_is_our_mistake() -> None:
    @dataclass(frozen=True)
    class Ambitious:
        mapping: dict[str, str] = setting()  # noqa: RUF009 - a field specifier, as everywhere

    with pytest.raises(TypeError, match="no spelling"):
        load_settings(Ambitious, {"GROVE_MAPPING": "a=b"})


def test_describe_lists_what_documentation_needs() -> None:
    described = describe(OrchardSettings, "olive-press")

    assert described[0] == Variable(
        name="GROVE_OLIVE_PRESS_WAIT_S",
        default="2.5",
        unit="s",
        doc="Long enough for a cold store.",
        secret=False,
        required=False,
    )
    assert [each.default for each in described] == ["2.5", "64KiB", "3", "false", "olive", "", "8080", ""]
    assert [each.name for each in described if each.secret] == ["GROVE_OLIVE_PRESS_PIN"]
    assert [each.required for each in describe(NeedySettings, "needy")] == [True, True]


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_is_read_as_it_is_spelled(size: int) -> None:
    assert parse(spell(size, "x_bytes"), int, attribute="x_bytes", limits=Limits()) == size


def test_secrets_are_not_in_the_repr() -> None:
    settings = ProcessSettings(
        nats_url="nats://user:hidden@bus", mongodb="mongodb://hidden", secrets="hidden"
    )

    assert "hidden" not in repr(settings)


@pytest.mark.parametrize("name", ["mongodb_url", "secrets_key"])
def test_what_only_some_services_need_is_missed_when_it_is_asked_for(name: str) -> None:
    settings = load_settings(ProcessSettings, {"GROVE_NATS_URL": "nats://bus"})

    with pytest.raises(SettingsError, match=f"^GROVE_{name.upper()} is not set$"):
        getattr(settings, name)

    environ = {"GROVE_NATS_URL": "nats://bus", f"GROVE_{name.upper()}": "there"}
    assert getattr(load_settings(ProcessSettings, environ), name) == "there"


def test_a_service_on_the_bus_misses_a_word_about_its_durability() -> None:
    undeclared = load_settings(ProcessSettings, {"GROVE_NATS_URL": "nats://bus"})

    with pytest.raises(SettingsError, match=r"^GROVE_NATS_DURABILITY is not set, .* say synced if"):
        _ = undeclared.allow_volatile_nats
    for said, volatile in (("synced", False), ("volatile-accepted", True)):
        environ = {"GROVE_NATS_URL": "nats://bus", "GROVE_NATS_DURABILITY": said}
        assert load_settings(ProcessSettings, environ).allow_volatile_nats is volatile
