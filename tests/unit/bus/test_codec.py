import pytest

from libs.bus.codec import decode_request, decoder
from libs.contracts.errors import BadRequestError
from libs.contracts.esp import ClientData


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x81\xa1a" * 50_000, id="nested 50,000 deep"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="no MessagePack"),
        pytest.param(b"\x80", id="fields missing"),
    ],
)
def test_request_that_cannot_be_read_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        decode_request(body, decoder(ClientData))
