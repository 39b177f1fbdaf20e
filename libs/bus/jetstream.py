"""What JetStream says when it refuses, shared by publishing and by stream management."""

import msgspec

_FIRST_SERVER_ERROR = 500


class ApiError(msgspec.Struct):
    """An error answered by JetStream.

    Attributes:
        code: Like an HTTP status.
        err_code: Names the error exactly.
        description: One sentence.
    """

    code: int = 500
    err_code: int = 0
    description: str = ""

    @property
    def passes(self) -> bool:
        """Whether it may be different in a moment: full, no quorum, no leader, starting."""
        return self.code >= _FIRST_SERVER_ERROR
