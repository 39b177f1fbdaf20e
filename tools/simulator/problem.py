"""What went wrong, in words for a person."""


class SimulatorError(Exception):
    """Something a person has to change; the text says what is wrong and what to do."""


def words(error: BaseException) -> str:
    """Say what an exception means; some say nothing by themselves, and aiohttp's say too much."""
    cause = getattr(error, "os_error", error)
    return str(cause) or type(cause).__name__
