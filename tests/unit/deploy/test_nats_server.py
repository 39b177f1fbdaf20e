import json
import secrets
from pathlib import Path
from typing import Any

from deploy.local.nats_server import NatsPorts, NatsUser, read_ports, render_config, write_config
from deploy.local.nats_users import nats_users, user_names
from libs.contracts.access import OBSERVER

USER = NatsUser(name="a", password="p", publish=("x.>",), subscribe=("y",), allow_responses=True)


def config_of(*users: NatsUser, ports: NatsPorts = NatsPorts()) -> dict[str, Any]:  # noqa: B008 - frozen
    text = render_config(Path("/data/nats"), ports=ports, users=users, max_file_store_bytes=7)
    config: dict[str, Any] = json.loads(text)
    return config


def test_every_write_is_synced_to_the_file_store() -> None:
    assert config_of()["jetstream"] == {
        "store_dir": "/data/nats/jetstream",
        "sync_interval": "always",
        "max_file_store": 7,
        "max_memory_store": 64 * 1024 * 1024,
    }


def test_any_port_is_what_nats_calls_minus_one() -> None:
    assert config_of()["listen"] == "127.0.0.1:-1"
    assert config_of(ports=NatsPorts(client=4222, monitor=8222))["http"] == "127.0.0.1:8222"


def test_a_user_may_do_what_is_listed_and_nothing_else() -> None:
    silent = NatsUser(name="b", password="q", publish=(), subscribe=("z",))

    assert config_of(USER, silent)["authorization"]["users"] == [
        {
            "user": "a",
            "password": "p",
            "permissions": {
                "publish": {"allow": ["x.>"]},
                "subscribe": {"allow": ["y"]},
                "allow_responses": True,
            },
        },
        {
            "user": "b",
            "password": "q",
            "permissions": {"publish": {"deny": [">"]}, "subscribe": {"allow": ["z"]}},
        },
    ]


def test_the_configuration_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = write_config(tmp_path / "nats", ports=NatsPorts(), users=[USER], max_file_store_bytes=1)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in (tmp_path / "nats").iterdir()] == ["nats.conf"]


def test_ports_are_those_of_this_very_process(tmp_path: Path) -> None:
    (tmp_path / "nats-server_12.ports").write_text(
        json.dumps({"nats": ["nats://127.0.0.1:4001"], "monitoring": ["http://127.0.0.1:4002"]})
    )
    (tmp_path / "nats-server_13.ports").write_text('{"nats": [')

    assert read_ports(tmp_path, 12) == NatsPorts(client=4001, monitor=4002)
    assert read_ports(tmp_path, 13) is None
    assert read_ports(tmp_path, 2) is None


def test_every_service_and_the_observer_have_users_of_their_own() -> None:
    passwords = {name: secrets.token_hex(8) for name in user_names()}

    users = {user.name: user for user in nats_users(passwords, root="other.v1")}

    assert users[OBSERVER].subscribe == ("other.v1.events.>",)
    assert users[OBSERVER].publish == ()
    assert len({user.password for user in users.values()}) == len(users)
