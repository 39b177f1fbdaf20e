import pytest

from libs.contracts.errors import BadRequestError
from libs.contracts.paging import check_page


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (0, 1000), (10**9, 20)], ids=str)
def test_page_within_bounds_is_accepted(offset: int, limit: int) -> None:
    check_page(offset=offset, limit=limit)


@pytest.mark.parametrize(
    ("offset", "limit"),
    [(-1, 20), (0, 0), (0, 1001), (2**63, 20)],
    ids=["offset below", "limit below", "limit above", "offset beyond int64"],
)
def test_page_out_of_bounds_is_refused(offset: int, limit: int) -> None:
    with pytest.raises(BadRequestError):
        check_page(offset=offset, limit=limit)
