"""``python -m deploy.local run`` and ``python -m deploy.local status``."""

import signal
import sys

# Until there is something to stop in order, Ctrl-C ends us without a word and without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

OLDEST, NEWEST = (3, 11), (3, 13)

if not OLDEST <= sys.version_info[:2] <= NEWEST:
    sys.exit(f"Olivegrove needs Python 3.11 to 3.13, and this is {sys.version.split()[0]}")

import os  # noqa: E402 - the rest does not even parse on an old Python

from deploy.local.command_line import main  # noqa: E402 - as above

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], environ=dict(os.environ)))  # noqa: TID251 - here the environment is read once
