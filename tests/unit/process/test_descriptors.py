"""Open files: the limit is raised as far as the system allows, and never hidden."""

import resource
from collections.abc import Iterator

import pytest
import structlog

from libs.process.descriptors import room_for


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_to_what_is_wanted(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))

    assert room_for(500) == 500
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 628


def test_what_the_system_does_not_allow_is_told(limits: tuple[int, int]) -> None:
    if limits[1] == resource.RLIM_INFINITY:
        pytest.skip("this system allows any number")

    with structlog.testing.capture_logs() as logs:
        room = room_for(limits[1])

    assert room == limits[1] - 128
    assert [line["event"] for line in logs] == ["http_connections_limited"]
