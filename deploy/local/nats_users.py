"""Who may log in to the embedded NATS: one user per service, with what the contracts let it do."""

from deploy.local.nats_server import NatsUser
from libs.contracts import access


def user_names() -> tuple[str, ...]:
    """Return the name of every user, ``observer`` among them."""
    return tuple(user.name for user in access.users())


def nats_users(passwords: dict[str, str], *, root: str) -> tuple[NatsUser, ...]:
    """Return the logins with their permissions below ``root``; ``passwords`` must know every name."""
    return tuple(
        NatsUser(
            name=user.name,
            password=passwords[user.name],
            publish=user.publish,
            subscribe=user.subscribe,
            allow_responses=user.allow_responses,
        )
        for user in access.users(root)
    )
