"""A client of the public API: sign in, submit, watch, read."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from msaas.embedded import LocalError

_TERMINAL_STATUSES = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass(frozen=True)
class ServerSentEvent:
    """One frame of the stream; `id` is where to resume after it."""

    id: str
    name: str
    data: Mapping[str, Any]


class ApiClient(AbstractAsyncContextManager["ApiClient"]):
    def __init__(self, gateway_url: str, supabase_url: str, anon_key: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{gateway_url}/api/v1", timeout=10)
        self._token_url = f"{supabase_url}/auth/v1/token"
        self._anon_key = anon_key

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def sign_in(self, email: str, password: str) -> str:
        """Sign in for later requests and return the access token."""
        answer = await self._http.post(
            self._token_url,
            params={"grant_type": "password"},
            headers={"apikey": self._anon_key},
            json={"email": email, "password": password},
        )
        token = _json_or_raise(answer)["access_token"]
        self._http.headers["authorization"] = f"Bearer {token}"
        return str(token)

    @property
    def authorization(self) -> str:
        """The `Authorization` header of the signed-in user."""
        return self._http.headers["authorization"]

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response, errors included."""
        return await self._http.request(method, path, **options)

    async def request_json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request and return its JSON; raise LocalError on an error response."""
        return _json_or_raise(await self._http.request(method, path, **options))

    async def me(self) -> dict[str, Any]:
        return _json_or_raise(await self._http.get("/me"))

    async def submit(
        self, task_type: str, params: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        headers = {"idempotency-key": key} if key else {}
        body = {"task_type": task_type, "params": params}
        return _json_or_raise(await self._http.post("/jobs", json=body, headers=headers))

    async def list_jobs(self, **query: str | int) -> dict[str, Any]:
        return _json_or_raise(await self._http.get("/jobs", params=query))

    async def job(self, job_id: str) -> dict[str, Any]:
        return _json_or_raise(await self._http.get(f"/jobs/{job_id}"))

    async def result(self, job_id: str) -> dict[str, Any]:
        return _json_or_raise(await self._http.get(f"/jobs/{job_id}/result"))

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return _json_or_raise(await self._http.post(f"/jobs/{job_id}/cancel"))

    async def events(
        self, cursor: str | None = None, path: str = "/jobs/stream"
    ) -> AsyncGenerator[ServerSentEvent]:
        """Read the stream after the cursor until the caller stops or the server closes."""
        headers = {"last-event-id": cursor} if cursor else {}
        timeout = httpx.Timeout(10, read=30)
        async with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
            if answer.is_error:
                await answer.aread()
            _raise_for_status(answer)
            frame: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line and name:
                    frame[name] = value
                elif not line and "data" in frame:
                    data = json.loads(frame["data"])
                    yield ServerSentEvent(frame.get("id", ""), frame.get("event", ""), data)
                    frame = {}

    async def watch(self, job_id: str, cursor: str) -> AsyncGenerator[ServerSentEvent]:
        """Follow one job to its end; `cursor` is from before it was submitted."""
        async with aclosing(self.events(cursor)) as events:
            async for event in events:
                if event.data.get("id") != job_id:
                    continue
                yield event
                if event.name == "job" and event.data["status"] in _TERMINAL_STATUSES:
                    return


def _json_or_raise(answer: httpx.Response) -> dict[str, Any]:
    _raise_for_status(answer)
    return answer.json()


def _raise_for_status(answer: httpx.Response) -> None:
    if answer.is_error:
        raise LocalError(
            f"{answer.request.url.path}: {answer.status_code} {_problem_detail(answer)}"
        )


def _problem_detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return "(no JSON)"
    return str(body.get("detail") or body.get("title") or body.get("msg") or body.get("message"))
