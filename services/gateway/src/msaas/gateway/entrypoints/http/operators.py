"""Who may ask for what concerns the fleet rather than one user."""

from typing import Annotated

from fastapi import Depends

from msaas.auth import UserPrincipal, current_user
from msaas.gateway.application.errors import NotAllowed


async def current_operator(
    user: Annotated[UserPrincipal, Depends(current_user)],
) -> UserPrincipal:
    if user.role != "operator":
        raise NotAllowed("This operation requires the operator role.")
    return user


Operator = Annotated[UserPrincipal, Depends(current_operator)]
