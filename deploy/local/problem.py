"""What stops the runner, told in one line without a traceback."""


class RunnerError(Exception):
    """The start cannot go on; the text names what to change."""
