"""The typed state of an application: its lifespan yields one object, endpoints read it."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request

from msaas.web.asgi import Scope

_STATE_KEY: Final = "app_state"

State = TypeVar("State")
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[object]]


def get_state(scope: Scope, kind: type[State]) -> State:
    state = scope["state"][_STATE_KEY]
    if not isinstance(state, kind):
        raise TypeError(f"the lifespan yielded {type(state).__name__}, not {kind.__name__}")
    return state


def read_state(kind: type[State]) -> Callable[[Request], Coroutine[Any, Any, State]]:
    """Return a dependency for `Depends` that gives an endpoint the application's state."""

    async def read(request: Request) -> State:  # FastAPI would run a plain function in a thread
        return get_state(request.scope, kind)

    return read


def build_scope_state(state: object) -> dict[str, object]:
    """Build what an ASGI server puts into each scope; tests without a server call it."""
    return {_STATE_KEY: state}


def publish_state(
    lifespan: Lifespan,
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, object]]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with lifespan(app) as state:
            yield build_scope_state(state)

    return run


def get_correlation_id(scope: Scope) -> str:
    return scope["state"]["correlation_id"]
