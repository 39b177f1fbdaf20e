import json
from pathlib import Path

import pytest

from deploy.local.announcement import announcement
from deploy.local.probing import failing_checks
from deploy.local.problem import RunnerError
from deploy.local.ready_file import Infrastructure, ServiceEntry, Snapshot, describe, read, write
from deploy.local.status import State, table


def gateway(number: int) -> ServiceEntry:
    return ServiceEntry(
        name="api-gateway",
        replica=f"api-gateway-{number}",
        pid=number,
        health=f"http://h:{number}",
        urls={"api": f"http://a:{number}"},
    )


SNAPSHOT = Snapshot(
    nats_url="nats://observer:x@h",
    mongodb_url=None,
    api_key="key",
    services=[
        ServiceEntry(name="credential-manager", replica="credential-manager-7", pid=7, health="http://h:7"),
        gateway(1),
        gateway(2),
    ],
    infrastructure=[Infrastructure(name="nats", pid=9, health="http://h:9/healthz")],
)


def test_addresses_are_those_of_the_first_replica_and_what_does_not_run_is_left_out() -> None:
    content = describe(SNAPSHOT)

    assert content == {
        "api": "http://a:1",
        "nats": "nats://observer:x@h",
        "apiKey": "key",
        "services": {
            "credential-manager": [
                {"replica": "credential-manager-7", "pid": 7, "health": "http://h:7", "url": None}
            ],
            "api-gateway": [
                {"replica": "api-gateway-1", "pid": 1, "health": "http://h:1", "url": "http://a:1"},
                {"replica": "api-gateway-2", "pid": 2, "health": "http://h:2", "url": "http://a:2"},
            ],
        },
        "infrastructure": {"nats": {"pid": 9, "health": "http://h:9/healthz"}},
    }


def test_the_file_is_for_its_owner_alone_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"

    write(path, SNAPSHOT)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read(path) == json.loads(json.dumps(describe(SNAPSHOT)))


@pytest.mark.parametrize("content", [None, "{"], ids=["missing", "damaged"])
def test_a_file_that_tells_nothing_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ready.json").write_text(content)

    with pytest.raises(RunnerError, match=r"ready\.json"):
        read(tmp_path / "ready.json")


def test_people_are_told_addresses_key_and_what_to_try() -> None:
    lines = announcement(SNAPSHOT, took_s=4.23, data=Path(".data")).splitlines()

    assert lines[0] == "ready in 4.2 s"
    assert "  REST and docs   http://a:1" in lines
    assert "  admin API key   key" in lines
    assert lines[-2].endswith("curl -H 'Authorization: Bearer key' http://a:1/tekton/api/v1/applications")
    assert lines[-1] == "Ctrl-C stops everything; the data stays in .data"


def test_the_status_table_is_aligned_and_says_what_is_wrong() -> None:
    states = [
        State(name="nats", pid=9, health="http://h:9/healthz", problem=None),
        State(name="api-gateway-1", pid=12345, health="http://h:1", problem="nats: away"),
    ]

    assert table(states) == [
        "process        pid    state       health",
        "nats           9      ready       http://h:9/healthz",
        "api-gateway-1  12345  nats: away  http://h:1",
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(
            b'{"status":"unready","checks":{"nats":"ok","store":"away"}}', "store: away", id="a check"
        ),
        pytest.param(b'{"status":"stopping","checks":{}}', "stopping", id="no check"),
        pytest.param(b"<html>", "", id="no json"),
        pytest.param(b'{"checks":[]}', "", id="other json"),
        pytest.param(b"[]", "", id="a list"),
    ],
)
def test_what_fails_is_taken_from_the_answer(body: bytes, told: str) -> None:
    assert failing_checks(body) == told
