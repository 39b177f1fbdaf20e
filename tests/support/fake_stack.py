"""The real runner over tables of stand-ins: ``python -m tests.support.fake_stack <table> run ...``."""

import os
import sys

from deploy.local.command_line import main
from deploy.local.table import Kind, Listener, Row

_HTTP = Listener(port_key="http", variable="GROVE_HTTP_PORT", ready_key="http", label="device HTTP")


def command(table: str) -> tuple[str, ...]:
    """Return the command line prefix that stands for ``python -m deploy.local``."""
    return (sys.executable, "-m", "tests.support.fake_stack", table)


def _stand_in(*behaviours: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.support.fake_service", *behaviours)


def _alone(*behaviours: str) -> tuple[Row, ...]:
    return (Row(name="http-transport", argv=_stand_in(*behaviours), listeners=(_HTTP,)),)


TABLES: dict[str, tuple[Row, ...]] = {
    "whole": (
        Row(name="nats", kind=Kind.NATS),
        Row(name="store", kind=Kind.STORE),
        Row(
            name="credential-manager",
            needs=("nats", "store"),
            argv=_stand_in("parent"),
            keys=("GROVE_SECRETS_KEY", "GROVE_ADMIN_KEY"),
        ),
        Row(
            name="http-transport",
            needs=("nats", "credential-manager"),
            argv=_stand_in(),
            listeners=(_HTTP,),
        ),
    ),
    "alone": _alone("chatty"),
    "stubborn": _alone("stubborn"),
    "fails": _alone("fails"),
    "unready": _alone("unready"),
    "crash": _alone("crash"),
}

if __name__ == "__main__":
    environ = dict(os.environ)  # noqa: TID251 - as deploy.local.__main__ does
    sys.exit(main(sys.argv[2:], environ=environ, table=TABLES[sys.argv[1]]))
