"""Who may log in to the embedded NATS: one user per service, with what :mod:`libs.contracts.access` lets it do."""

import secrets

from deploy.local.nats_server import NatsUser

try:
    from libs.contracts.access import USERS
except ImportError:
    USERS = ()

_PASSWORD_BYTES = 24


def new_passwords() -> dict[str, str]:
    """Return a random password for each user that the contracts name."""
    return {user.name: secrets.token_urlsafe(_PASSWORD_BYTES) for user in USERS}


def nats_users(passwords: dict[str, str]) -> tuple[NatsUser, ...]:
    """Return the logins with their permissions; ``passwords`` must know every name."""
    return tuple(
        NatsUser(
            name=user.name,
            password=passwords[user.name],
            publish=user.publish,
            subscribe=user.subscribe,
            allow_responses=user.allow_responses,
        )
        for user in USERS
    )
