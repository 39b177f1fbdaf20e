import os
import socket

import pytest

from deploy.local.ports import is_taken, owner_of, parse_listening
from deploy.local.service_program import reachable_host
from deploy.local.store_server import read_port
from deploy.local.watchdog import remaining

PROC_NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4343 1 0 20
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0 100
"""


def test_only_listening_sockets_of_the_port_count() -> None:
    assert list(parse_listening(PROC_NET_TCP.splitlines(), 8080)) == ["4242"]


def test_the_owner_of_a_port_is_found_while_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert is_taken("127.0.0.1", port)
        assert str(owner_of(port)).startswith(f"pid {os.getpid()}, ")
    assert not is_taken("127.0.0.1", port)
    assert owner_of(port) is None


def test_an_address_that_is_not_ours_is_an_error_of_its_own() -> None:
    with pytest.raises(OSError, match="assign"):
        is_taken("192.0.2.1", 8080)


def test_the_watchdog_kills_what_was_added_and_not_taken_back() -> None:
    assert remaining(["+10\n", "+11\n", "-10\n", "nonsense\n", "+\n", "", "+-5\n", "+12"]) == {11, 12}


@pytest.mark.parametrize(
    ("log", "port"),
    [
        pytest.param("INFO secantus.server: secantus listening on 127.0.0.1:33935\n", 33935, id="said"),
        pytest.param("INFO secantus.server: recovering\n", None, id="not yet"),
    ],
)
def test_the_port_of_the_store_is_in_its_log(log: str, port: int | None) -> None:
    assert read_port(log) == port


@pytest.mark.parametrize(
    ("bind", "host"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("fd00::1", "[fd00::1]")],  # noqa: S104 - examples, nothing listens
    ids=["loopback", "everywhere", "everywhere v6", "v6"],
)
def test_addresses_name_a_host_that_can_be_reached(bind: str, host: str) -> None:
    assert reachable_host(bind) == host
