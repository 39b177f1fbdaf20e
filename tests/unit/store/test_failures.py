"""Which error of the driver becomes which of ours."""

import asyncio

import pytest
from bson.errors import InvalidBSON
from pymongo import errors as driver

from libs.contracts.errors import (
    ConflictError,
    GroveError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    UnavailableError,
)
from libs.store import DuplicateError, store_errors

DUPLICATE = {"code": 11000, "keyPattern": {"application": 1, "token": 1}, "keyValue": {"token": "hidden"}}


def bulk(*codes: int, concern: bool = False) -> driver.BulkWriteError:
    write_errors = [{**DUPLICATE, "code": code} for code in codes]
    return driver.BulkWriteError(
        {"writeErrors": write_errors, "writeConcernErrors": [{"code": 64}] if concern else []}
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(driver.AutoReconnect("closed"), UnavailableError, id="connection lost"),
        pytest.param(driver.NetworkTimeout("slow"), UnavailableError, id="network timeout"),
        pytest.param(driver.NotPrimaryError("stepped down"), UnavailableError, id="not primary"),
        pytest.param(driver.ServerSelectionTimeoutError("none"), UnavailableError, id="no server"),
        pytest.param(driver.WaitQueueTimeoutError("full"), UnavailableError, id="no free connection"),
        pytest.param(driver.ExecutionTimeout("slow", 50), UnavailableError, id="server gave up"),
        pytest.param(driver.WTimeoutError("slow", 64), UnavailableError, id="majority did not confirm"),
        pytest.param(driver.WriteConcernError("odd", 79), UnavailableError, id="write concern"),
        pytest.param(driver.OperationFailure("going", 11600), UnavailableError, id="shutting down"),
        pytest.param(driver.OperationFailure("conflict", 112), UnavailableError, id="write conflict"),
        pytest.param(
            driver.OperationFailure("x", 1, {"errorLabels": ["RetryableWriteError"]}),
            UnavailableError,
            id="label",
        ),
        pytest.param(ConnectionResetError("reset"), UnavailableError, id="reset under the driver"),
        pytest.param(TimeoutError(), UnavailableError, id="timeout under the driver"),
        pytest.param(driver.DuplicateKeyError("dup", 11000, DUPLICATE), DuplicateError, id="duplicate"),
        pytest.param(driver.DocumentTooLarge("big"), PayloadTooLargeError, id="too large for the driver"),
        pytest.param(
            driver.OperationFailure("big", 10334), PayloadTooLargeError, id="too large for the server"
        ),
        pytest.param(driver.OperationFailure("bad value", 2), InternalError, id="refused"),
        pytest.param(driver.InvalidOperation("closed"), InternalError, id="misuse"),
        pytest.param(OverflowError("8-byte ints"), InternalError, id="integer too large"),
        pytest.param(InvalidBSON("bad"), InternalError, id="not bson"),
        pytest.param(bulk(11000, 11000), DuplicateError, id="bulk of duplicates"),
        pytest.param(bulk(concern=True), UnavailableError, id="bulk, concern only"),
        pytest.param(bulk(11000, concern=True), UnavailableError, id="bulk, duplicates and concern"),
        pytest.param(bulk(11000, 112), UnavailableError, id="bulk, duplicates and conflict"),
        pytest.param(bulk(11000, 2), InternalError, id="bulk, duplicates and refusal"),
    ],
)
async def test_an_error_of_the_driver_becomes_one_of_ours(
    error: Exception, expected: type[GroveError]
) -> None:
    with pytest.raises(GroveError) as raised, store_errors():
        raise error

    assert type(raised.value) is expected
    assert raised.value.__cause__ is error
    assert "hidden" not in raised.value.reason_phrase


async def test_a_duplicate_names_its_index_and_is_a_conflict() -> None:
    with pytest.raises(ConflictError) as raised, store_errors():
        raise driver.DuplicateKeyError("dup", 11000, DUPLICATE)

    assert isinstance(raised.value, DuplicateError)
    assert raised.value.key_pattern == ("application", "token")


@pytest.mark.parametrize(
    "error", [NotFoundError("no such endpoint"), KeyError("field"), asyncio.CancelledError()], ids=repr
)
async def test_what_is_not_the_drivers_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, store_errors():
        raise error

    assert raised.value is error
