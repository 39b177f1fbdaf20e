"""Store a new credential whose value may exist once only, or find out why that is not possible.

An unconfirmed claim of the same endpoint gives way: either its request has died, or it loses against
this one when it tries to confirm.
"""

from collections.abc import Awaitable, Callable

from libs.contracts.errors import ConflictError
from services.credential_manager.domain import Phase
from services.credential_manager.ports import CredentialRepository, CredentialT
from services.credential_manager.usecases.changing import MAX_TRIES


async def claim(
    new: CredentialT,
    *,
    repository: CredentialRepository[CredentialT],
    find_holder: Callable[[], Awaitable[CredentialT | None]],
    is_success: Callable[[CredentialT], bool],
    refuse: Callable[[CredentialT], ConflictError],
) -> CredentialT:
    """Store ``new`` and return it.

    Args:
        new: What to store.
        repository: Where.
        find_holder: Who has its value, in whatever phase.
        is_success: Whether a holder of the same endpoint will do as well; it is returned then.
        refuse: Why a holder is in the way.

    Raises:
        ConflictError: The value is taken.
    """
    for _ in range(MAX_TRIES):
        if await repository.add(new):
            return new
        existing = await find_holder()
        if existing is None:
            continue
        ours = existing.endpoint_id == new.endpoint_id
        if ours and existing.phase is Phase.UNCONFIRMED:
            await repository.discard(existing)
        elif ours and is_success(existing):
            return existing
        else:
            raise refuse(existing)
    raise ConflictError("too many requests for this value; try again")
