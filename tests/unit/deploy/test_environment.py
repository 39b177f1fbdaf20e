import pytest

from deploy.local.environment import Backbone, chosen_port, inherited, service_environment
from deploy.local.kept_secrets import KeptSecrets
from deploy.local.problem import RunnerError
from deploy.local.settings import LocalSettings
from deploy.local.table import TABLE, Listener, Row

SECRETS = KeptSecrets(secrets_key="the key", admin_key="the admin key", nats_passwords={})
BACKBONE = Backbone(
    nats_url=lambda user: f"nats://{user}@host",
    mongodb_url=lambda: "mongodb://host",
    jetstream_directory="/data/nats",
)
HTTP = Listener(port_key="http", variable="GROVE_HTTP_PORT", ready_key="http", label="HTTP")


def environment(row: Row, index: int = 0, /, **environ: str) -> dict[str, str]:
    return service_environment(
        row,
        index,
        environ=environ,
        settings=LocalSettings(http_port=8081),
        secrets=SECRETS,
        backbone=BACKBONE,
    )


def test_keys_and_addresses_given_to_the_runner_are_not_handed_on() -> None:
    given = {
        "GROVE_ADMIN_KEY": "x",
        "GROVE_NATS_URL": "x",
        "GROVE_API_PORT": "1",
        "GROVE_LOCAL_REPLICAS": "x",
    }

    assert environment(Row(name="a"), **given, PATH="/bin", GROVE_LOG_LEVEL="debug", GROVE_BIND="::1") == {
        "PATH": "/bin",
        "GROVE_LOG_LEVEL": "debug",
        "GROVE_BIND": "::1",
        "PYTHONUNBUFFERED": "1",
        "GROVE_STOP_DEADLINE_S": "5",
    }


def test_a_row_decides_which_addresses_and_keys_its_service_gets() -> None:
    env = environment(Row(name="a", needs=("nats", "store"), keys=("GROVE_SECRETS_KEY",)))

    assert env["GROVE_NATS_URL"] == "nats://a@host"
    assert env["GROVE_MONGODB_URL"] == "mongodb://host"
    assert env["GROVE_SECRETS_KEY"] == "the key"
    assert env["GROVE_JETSTREAM_DIRECTORY"] == "/data/nats"
    assert "GROVE_ADMIN_KEY" not in env


@pytest.mark.parametrize(
    ("settings", "declared"),
    [
        pytest.param(LocalSettings(), "synced", id="embedded"),
        pytest.param(LocalSettings(nats_durability="volatile-accepted"), "synced", id="embedded, whatever"),
        pytest.param(
            LocalSettings(nats_url="nats://bus", nats_durability="volatile-accepted"),
            "volatile-accepted",
            id="of others",
        ),
    ],
)
def test_a_service_is_told_what_its_nats_does(settings: LocalSettings, declared: str) -> None:
    env = service_environment(
        Row(name="a", needs=("nats",)),
        0,
        environ={"GROVE_NATS_DURABILITY": "as given to the runner"},
        settings=settings,
        secrets=SECRETS,
        backbone=BACKBONE,
    )

    assert env["GROVE_NATS_DURABILITY"] == declared


def test_only_the_first_replica_has_the_chosen_port() -> None:
    row = Row(name="a", listeners=(HTTP,))

    assert environment(row)["GROVE_HTTP_PORT"] == "8081"
    assert environment(row, 1)["GROVE_HTTP_PORT"] == "0"


def test_nats_and_the_store_learn_nothing_of_olivegrove() -> None:
    assert inherited({"GROVE_SECRETS_KEY": "x", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_every_port_of_the_table_is_among_the_settings() -> None:
    variables = [listener.variable for row in TABLE for listener in row.listeners]

    ports = [chosen_port(LocalSettings(), variable) for variable in variables]
    assert ports == [8080, 8443, 1883, 8083, 8883, 8090]
    with pytest.raises(RunnerError, match="GROVE_NO_PORT"):
        chosen_port(LocalSettings(), "GROVE_NO_PORT")
