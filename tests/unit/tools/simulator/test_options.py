import pytest

from tools.simulator.options import parse


def test_defaults_are_a_small_grove_that_runs_until_stopped() -> None:
    options = parse([])

    assert (options.trees, options.rate_hz, options.duration_s) == (20, 1.0, None)
    assert (options.protocol, options.gateway, options.application) == ("mqtt", False, None)
    assert options.data_dir.name == ".data"


def test_addresses_lose_their_last_slash() -> None:
    options = parse(["--api", "https://example.org:443/", "--mqtt", "mqtt://127.0.0.1:1883"])

    assert options.api == "https://example.org:443"
    assert options.mqtt == "mqtt://127.0.0.1:1883"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["--trees", "0"], "1 to", id="no trees"),
        pytest.param(["--trees", "many"], "many", id="trees in words"),
        pytest.param(["--rate", "-1"], "above 0", id="a negative rate"),
        pytest.param(["--rate", "nan"], "above 0", id="a rate that is no number"),
        pytest.param(["--rate", "1e9"], "more trees", id="a rate no tree has"),
        pytest.param(["--duration", "0"], "above 0", id="no time"),
        pytest.param(["--api", "127.0.0.1:8090"], "http://", id="an address without scheme"),
        pytest.param(["--http", "http://127.0.0.1"], "http://", id="an address without port"),
        pytest.param(["--mqtt", "http://127.0.0.1:1883"], "mqtt://", id="the scheme of another protocol"),
        pytest.param(["--mqtt", "mqtt://127.0.0.1:99999"], "mqtt://", id="a port that cannot be"),
        pytest.param(["--protocol", "http", "--gateway"], "--gateway", id="a gateway over HTTP"),
        pytest.param(["--speed", "1"], "--speed", id="an option that is not there"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert word in said
    assert said.count("\n") == 1
