"""KP1 paths: protocol/kp1.md, "Path"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from libs.contracts.kp1 import MAX_REQUEST_ID, Kp1Path, parse_levels, parse_topic

_LEVEL = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/"),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize(
    ("topic", "resource", "request_id"),
    [
        pytest.param("kp1/app-v1/epmx/tok/get/0", "/get", 0, id="zero, as the first tutorial sends"),
        pytest.param("kp1/app-v1/epmx/tok/get", "/get", None, id="no request id"),
        pytest.param("kp1/app-v1/epmx/tok/update/keys/7", "/update/keys", 7, id="two levels"),
        pytest.param("kp1/app-v1/dcx/tok/plain/42/43", "/plain/42", 43, id="a numeric metric"),
        pytest.param("kp1/app-v1/tsx/tok/5", "", 5, id="no resource"),
        pytest.param("kp1/app-v1/tsx/tok", "", None, id="no resource and no id"),
        pytest.param("kp1/app-v1/epmx/123/get/1", "/get", 1, id="a numeric token is no request id"),
        pytest.param("kp1/app-v1/epmx/tok/get/2147483647", "/get", MAX_REQUEST_ID, id="the largest id"),
        pytest.param("kp1/app-v1/epmx/tok/get/007", "/get", 7, id="leading zeros"),
        pytest.param("kp1/app-v1/epmx/tok/get/٣", "/get/٣", None, id="digits of other scripts are no id"),
        pytest.param("kp1/app-v1/epmx/tok/get/-1", "/get/-1", None, id="a sign is no digit"),
    ],
)
def test_request_path_is_parsed_by_position(topic: str, resource: str, request_id: int | None) -> None:
    path = parse_topic(topic)

    assert (path.resource, path.request_id) == (resource, request_id)
    assert path.app_version == "app-v1"


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        pytest.param("kp2/a-1/epmx/t/get", "level 1", id="other protocol"),
        pytest.param("", "level 1", id="nothing"),
        pytest.param("kp1/a-1/epmx", "path must be", id="no token"),
        pytest.param("kp1//epmx/t/get", "level 2 is empty", id="no version"),
        pytest.param("kp1/a-1/epmx/t/get/", "level 6 is empty", id="trailing slash"),
        pytest.param("/kp1/a-1/epmx/t/get", "level 1", id="leading slash"),
        pytest.param("kp1/a-1/epmx/t//get", "level 5 is empty", id="double slash"),
        pytest.param("kp1/a-1/epmx/t/get/0/status", "answer", id="an answer's topic"),
        pytest.param("kp1/a-1/epmx/t/error", "answer", id="an error's topic"),
        pytest.param("kp1/a-1/epmx/t/get/2147483648", "request id is above", id="id above int32"),
        pytest.param(f"kp1/a-1/epmx/t/get/{'9' * 250}", "request id is above", id="id of 250 digits"),
        pytest.param("kp1/a-1/epmx/t\x00/get", "level 4 holds", id="NUL in the token"),
        pytest.param("kp1/a-1/epmx/t\ud800/get", "level 4 holds", id="lone surrogate"),
        pytest.param(f"kp1/a-1/epmx/{'t' * 257}/get", "level 4 is longer", id="endless token"),
        pytest.param("kp1/a-1/epmx/t" + "/x" * 29, "more than 32 levels", id="33 levels"),
    ],
)
def test_malformed_path_is_refused_saying_where(topic: str, told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        parse_topic(topic)


def test_level_with_a_decoded_slash_is_refused() -> None:
    with pytest.raises(BadRequestError, match="level 4"):
        parse_levels(["kp1", "a-1", "epmx", "t/get", "x"])


def test_path_never_shows_its_token() -> None:
    path = parse_topic("kp1/app-v1/epmx/geheim/get/0")

    assert "geheim" not in repr(path)
    assert "geheim" not in f"{path}"


@given(
    st.lists(_LEVEL, min_size=4, max_size=4),
    st.lists(_LEVEL, max_size=5),
    st.none() | st.integers(0, MAX_REQUEST_ID),
)
def test_joining_what_was_parsed_gives_the_path_back(
    fixed: list[str], resource: list[str], request_id: int | None
) -> None:
    fixed[0] = "kp1"
    resource = [f"r{level}" for level in resource]
    tail = [] if request_id is None else [str(request_id)]

    path = parse_levels([*fixed, *resource, *tail])

    assert path == Kp1Path(
        fixed[1], fixed[2], fixed[3], "".join(f"/{level}" for level in resource), request_id
    )
