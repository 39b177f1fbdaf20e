import pytest

from tools.simulator.links import is_final, refusal


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 413])
def test_a_refusal_that_sending_again_cannot_help_is_final(status: int) -> None:
    assert is_final(status)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 504])
def test_what_may_pass_is_not_final(status: int) -> None:
    assert not is_final(status)


def test_an_error_answer_is_read() -> None:
    assert refusal(b'{"statusCode": 403, "reasonPhrase": "suspended"}') == (403, "403 suspended")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"\xff", b'{"statusCode": "x"}'])
def test_an_answer_that_cannot_be_read_is_not_final(payload: bytes) -> None:
    assert not is_final(refusal(payload)[0])
