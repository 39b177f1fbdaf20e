import pytest

from deploy.local.disk import Volume, check_space, streams_bytes
from deploy.local.order import waves, with_replicas
from deploy.local.preflight import wanted_ports
from deploy.local.problem import RunnerError
from deploy.local.settings import LocalSettings, load, replica_counts
from deploy.local.supervisor import STOP_S, reserve_s
from deploy.local.table import TABLE

GIB = 1024**3


def test_defaults_are_those_of_the_design() -> None:
    settings = load({})

    assert (settings.data_dir, settings.http_port, settings.api_port) == (".data", 8080, 8090)
    assert (settings.nats_port, settings.store_port) == (4222, 27017)


def test_every_problem_is_in_one_line() -> None:
    with pytest.raises(RunnerError) as told:
        load({"GROVE_HTP_PORT": "1", "GROVE_API_PORT": "x", "GROVE_NATS_PORT": "-1"})

    assert "GROVE_HTP_PORT" in str(told.value)
    assert "GROVE_API_PORT" in str(told.value)
    assert "GROVE_NATS_PORT" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_nats_of_others_is_used_when_somebody_says_whether_it_syncs() -> None:
    with pytest.raises(RunnerError, match=r"say synced if .* or volatile-accepted"):
        load({"GROVE_NATS_URL": "nats://bus"})
    with pytest.raises(RunnerError, match="GROVE_NATS_DURABILITY must be"):
        load({"GROVE_NATS_URL": "nats://bus", "GROVE_NATS_DURABILITY": "yes"})

    for said in ("synced", "volatile-accepted"):
        settings = load({"GROVE_NATS_URL": "nats://bus", "GROVE_NATS_DURABILITY": said})
        assert settings.nats_durability == said


def test_replicas_are_counted_by_name() -> None:
    assert replica_counts(("endpoint-register=2", "http-transport=12")) == {
        "endpoint-register": 2,
        "http-transport": 12,
    }


@pytest.mark.parametrize("part", ["endpoint-register", "a=0", "a=-1", "a=100", "=2", "a=2=3"])
def test_a_count_that_is_none_is_refused(part: str) -> None:
    with pytest.raises(RunnerError, match="GROVE_LOCAL_REPLICAS"):
        replica_counts((part,))


def test_infrastructure_has_no_replicas() -> None:
    counted = {row.name: row.replicas for row in with_replicas(TABLE, {"endpoint-register": 3})}

    assert (counted["endpoint-register"], counted["api-gateway"]) == (3, 1)
    with pytest.raises(RunnerError, match="names 'nats'"):
        with_replicas(TABLE, {"nats": 3})


def test_only_fixed_ports_are_looked_at_before_the_start() -> None:
    settings = LocalSettings(nats_port=0, bind="0.0.0.0")  # noqa: S104 - an example, nothing listens

    wanted = {want.variable: (want.host, want.port) for want in wanted_ports(TABLE, settings)}

    assert wanted == {
        "GROVE_STORE_PORT": ("127.0.0.1", 27017),
        "GROVE_HTTP_PORT": ("0.0.0.0", 8080),  # noqa: S104 - as above
        "GROVE_MQTT_PORT": ("0.0.0.0", 1883),  # noqa: S104 - as above
        "GROVE_MQTT_WS_PORT": ("0.0.0.0", 8083),  # noqa: S104 - as above
        "GROVE_API_PORT": ("0.0.0.0", 8090),  # noqa: S104 - as above
    }


def test_ports_of_tls_are_looked_at_where_there_is_a_certificate() -> None:
    plain, secured = LocalSettings(), LocalSettings(tls_cert="grove.pem")

    added = {want.variable for want in wanted_ports(TABLE, secured)} - {
        want.variable for want in wanted_ports(TABLE, plain)
    }

    assert added == {"GROVE_MQTT_TLS_PORT", "GROVE_HTTP_TLS_PORT"}


def test_streams_and_store_must_fit_the_volume() -> None:
    settings = LocalSettings(store_reserve_bytes=2 * GIB)
    roomy = Volume(total_bytes=100 * GIB, free_bytes=50 * GIB)
    nearly_full = Volume(total_bytes=100 * GIB, free_bytes=9 * GIB)
    small = Volume(total_bytes=3 * GIB, free_bytes=3 * GIB)

    assert check_space(roomy, settings) is None
    assert "only 9.0 GiB of 100.0 GiB" in str(check_space(nearly_full, settings))
    with pytest.raises(RunnerError, match=r"GROVE_LOCAL_STORE_RESERVE_BYTES.*GROVE_DATA_DIR"):
        check_space(small, settings)
    assert streams_bytes("grove.v1") >= GIB


def test_when_stopping_every_wave_is_left_some_time() -> None:
    last = len(waves(TABLE)) - 1

    assert reserve_s(later_waves=0) == 0
    assert STOP_S - reserve_s(later_waves=last) >= 3
