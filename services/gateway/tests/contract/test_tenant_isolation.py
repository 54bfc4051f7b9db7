"""No user reads or changes another's data: every operation, with every kind of credential."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from services.gateway.tests.agent_rows import PASSAGE, plant_run
from services.gateway.tests.conftest import FakeIssuer, RunningGateway
from services.gateway.tests.contract.conftest import CreateJob, Operation
from services.gateway.tests.invoice_rows import plant_invoice

from msaas.gateway.domain.api_keys import ENTROPY_BYTES, build_key

SECRET = "what-only-ann-may-read"
KEY = "a-key-of-ann"


class Case(Enum):
    """Whose data an operation is about."""

    OWN = auto()  # about the caller: it succeeds, and shows no data of others
    OWNED = auto()  # about one object of Ann's: for others it does not exist
    OPERATORS = auto()  # refused to all other callers


# A new operation needs its case here; the first test checks that.
CASES: Mapping[str, Case] = {
    "readMe": Case.OWN,
    "changeProfile": Case.OWN,
    "readNotifications": Case.OWN,
    "setNotifications": Case.OWN,
    "listUsers": Case.OPERATORS,
    "listAuditEntries": Case.OPERATORS,
    "listTaskTypes": Case.OWN,
    "readFlags": Case.OWN,
    "listApiKeys": Case.OWN,
    "createApiKey": Case.OWN,
    "rotateApiKey": Case.OWNED,
    "revokeApiKey": Case.OWNED,
    "revokeAllApiKeys": Case.OWN,
    "submitJob": Case.OWN,
    "submitJobs": Case.OWN,
    "listJobs": Case.OWN,
    "countJobs": Case.OWN,
    "readJobSnapshot": Case.OWN,
    "followJobs": Case.OWN,
    "changeJobsInBulk": Case.OWN,
    "readBulkChange": Case.OWNED,
    "readJob": Case.OWNED,
    "readJobStatus": Case.OWNED,
    "readJobResult": Case.OWNED,
    "listJobAttempts": Case.OWNED,
    "readTimeline": Case.OWNED,
    "listJobEvents": Case.OWNED,
    "listJobArtifacts": Case.OWNED,
    "readJobArtifact": Case.OWNED,
    "retryJob": Case.OWNED,
    "cancelJob": Case.OWNED,
    "readRunCeilings": Case.OWN,
    "submitAgentRun": Case.OWN,
    "listAgentRuns": Case.OWN,
    "readAgentRun": Case.OWNED,
    "listAgentSteps": Case.OWNED,
    "listAgentApprovals": Case.OWNED,
    "readAgentPassage": Case.OWNED,
    "followAgentRun": Case.OWNED,
    "answerAgentRun": Case.OWNED,
    "decideAgentApproval": Case.OWNED,
    "readUsage": Case.OWN,
    "readUsageTrend": Case.OWN,
    "readJobsOverview": Case.OWN,
    "readSuccessRate": Case.OWN,
    "readLatency": Case.OWN,
    "readQuotaForecast": Case.OWN,
    "listPlans": Case.OWN,
    "readSubscription": Case.OWN,
    "previewInvoice": Case.OWN,
    "listInvoices": Case.OWN,
    "readInvoice": Case.OWNED,
    "listInvoiceJobs": Case.OWNED,
    "readInvoiceProof": Case.OWNED,
    "openCheckout": Case.OWN,
    "openPortal": Case.OWN,
    "changePlan": Case.OWN,
    "setSpendLimit": Case.OWN,
    "listDeadLetters": Case.OPERATORS,
    "readDeadLetter": Case.OPERATORS,
    "replayDeadLetters": Case.OPERATORS,
    "resolveDeadLetters": Case.OPERATORS,
    "listFlags": Case.OPERATORS,
    "setFlag": Case.OPERATORS,
    "unsetFlag": Case.OPERATORS,
    "setUserRole": Case.OPERATORS,
    "setUserBan": Case.OPERATORS,
    "endUserAccess": Case.OPERATORS,
    "listTopics": Case.OPERATORS,
    "listCircuits": Case.OPERATORS,
}
# A flag's name, and a valid file name.
NAME = "FF_AGENTS_ENABLED"
# What fills the path of each operation beside the objects of Ann, and its query.
FIXED = {"name": NAME, "workflow_type": "research", "sha256": PASSAGE.sha256}
QUERIES = {"readAgentPassage": {"start": PASSAGE.start, "end": PASSAGE.end}}
# The tables that contain the objects of Ann.
TABLES = (
    *("jobs.jobs", "jobs.subjects", "jobs.usage_counters", "identity.api_keys"),
    *("agents.runs", "agents.approvals"),
)


@dataclass(frozen=True)
class CapturedResponse:
    status: int
    headers: httpx.Headers
    text: str

    @property
    def problem(self) -> dict[str, Any]:
        """The problem without the fields that differ between requests."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.text)
        return {name: problem[name] for name in problem.keys() - {"instance", "correlation_id"}}


@dataclass(frozen=True)
class Ann:
    """A user with data: `things` fill path parameters, by their names."""

    id: UUID
    authorization: str
    things: Mapping[str, tuple[UUID, ...]]
    cursor: str
    revoked_key: str

    @property
    def marks(self) -> list[str]:
        """The texts that no response to another user may contain."""
        things = [str(value) for kind in self.things.values() for value in kind]
        return [SECRET, str(self.id), self.id.hex, *things]


class RequestSender:
    """Sends any operation of the document to one gateway."""

    def __init__(self, http: httpx.AsyncClient, cursor: str) -> None:
        self._http = http
        self._cursor = cursor

    async def request(
        self,
        operation: Operation,
        authorization: str | None,
        things: Mapping[str, UUID] | None = None,
    ) -> CapturedResponse:
        path = operation.path.format_map(FIXED | dict(things or {}))
        headers = {"authorization": authorization} if authorization else {}
        if "Idempotency-Key" in operation.parameters:
            headers["idempotency-key"] = f"{KEY}-for-{operation.id}"
        if "Last-Event-ID" in operation.parameters:
            headers["last-event-id"] = self._cursor
        stream = self._http.stream(
            operation.method,
            f"/api/v1{path}",
            headers=headers,
            json=operation.example,
            params=QUERIES.get(operation.id),
        )
        async with stream as answer:
            text = await self._read(answer)
        assert str(answer.status_code) in operation.responses, (operation.id, answer.status_code)
        return CapturedResponse(answer.status_code, answer.headers, text)

    async def _read(self, answer: httpx.Response) -> str:
        """Read of a stream the greeting and the missed events, which arrive together."""
        if answer.headers["content-type"].startswith("text/event-stream"):
            return await anext(answer.aiter_text())
        return (await answer.aread()).decode()


@pytest_asyncio.fixture
async def ann(
    gateway: RunningGateway,
    jobs_service: None,
    billing_service: None,
    issuer: FakeIssuer,
    create_job: CreateJob,
    rows: asyncpg.Connection,
    *,
    operations: Mapping[str, Operation],
) -> AsyncIterator[Ann]:
    user_id = uuid4()
    authorization = f"Bearer {issuer.token(user_id)}"
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as http:
        request_sender = RequestSender(http, "")
        cursor = json.loads(
            (await request_sender.request(operations["listJobs"], authorization)).text
        )
        assert (await request_sender.request(operations["submitJob"], authorization)).status == 202
        keys = [await make_key(http, authorization, name) for name in ("live", "revoked")]
        bulk = await http.post(
            "/api/v1/jobs/bulk",
            headers={"authorization": authorization, "idempotency-key": "bulk"},
            json={"action": "retry", "q": "status:failed"},
        )
        assert bulk.status_code == 202
        revoked = {"key_id": UUID(keys[1]["id"])}
        assert (
            await request_sender.request(operations["revokeApiKey"], authorization, revoked)
        ).status == 200
    jobs = [
        await create_job(user_id, status, SECRET) for status in ("PENDING", "COMPLETED", "FAILED")
    ]
    things = {
        "job_id": tuple(jobs),
        "letter_id": (jobs[2],),
        "key_id": tuple(UUID(key["id"]) for key in keys),
        "user_id": (user_id,),
        "bulk_id": (UUID(bulk.json()["id"]),),
        "invoice_id": (UUID((await plant_invoice(rows, user_id)).id),),
        "run_id": ((await plant_run(rows, user_id, title=SECRET)).id,),
    }
    yield Ann(user_id, authorization, things, cursor["stream_cursor"], keys[1]["key"])


async def make_key(http: httpx.AsyncClient, authorization: str, name: str) -> dict[str, Any]:
    body = {"name": name, "scopes": ["account:read", "jobs:read", "jobs:write"]}
    headers = {"authorization": authorization}
    answer = await http.post("/api/v1/api-keys", headers=headers, json=body)
    assert answer.status_code == 201
    return answer.json()


@pytest_asyncio.fixture
async def request_sender(gateway: RunningGateway, ann: Ann) -> AsyncIterator[RequestSender]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as http:
        yield RequestSender(http, ann.cursor)


@pytest.fixture
def refused(issuer: FakeIssuer, ann: Ann) -> Mapping[str, str | None]:
    """Invalid credentials, each in Ann's name where it has one."""
    other_issuer = type(issuer)("http://elsewhere.test")
    return {
        "nobody": None,
        "no token": "Bearer",
        "another scheme": "Basic YW5uOmFubg==",
        "expired": f"Bearer {issuer.token(ann.id, -120)}",
        "another issuer": f"Bearer {other_issuer.token(ann.id)}",
        "another audience": f"Bearer {issuer.token(ann.id, aud='elsewhere')}",
        "anonymous": f"Bearer {issuer.token(ann.id, is_anonymous=True)}",
        "service role": f"Bearer {issuer.token(ann.id, role='service_role')}",
        "revoked key": f"Bearer {ann.revoked_key}",
        "no such key": f"Bearer {build_key(bytes(ENTROPY_BYTES))}",
        "broken seal": f"Bearer {issuer.token(ann.id)[:-8]}AAAAAAAA",
    }


def test_every_operation_has_a_case(operations: Mapping[str, Operation]) -> None:
    assert CASES.keys() == operations.keys()


async def test_what_is_no_credential_opens_nothing(
    request_sender: RequestSender,
    ann: Ann,
    operations: Mapping[str, Operation],
    refused: Mapping[str, str | None],
) -> None:
    things = {name: kind[0] for name, kind in ann.things.items()}
    for operation in operations.values():
        for name, authorization in refused.items():
            response = await request_sender.request(operation, authorization, things)
            if operation.is_public:
                assert response.status < 400, (operation.id, name)
                assert_nothing_of(ann, response)
                continue
            assert response.status == 401, (operation.id, name)
            assert response.headers["www-authenticate"] == "Bearer"
            code = "token_expired" if name == "expired" else "unauthenticated"
            assert response.problem["code"] == code, (operation.id, name)


async def test_another_user_reads_and_changes_none_of_her_data(
    request_sender: RequestSender,
    ann: Ann,
    issuer: FakeIssuer,
    operations: Mapping[str, Operation],
    rows: asyncpg.Connection,
) -> None:
    before = await read_all(rows, ann)
    bob = f"Bearer {issuer.token(uuid4())}"
    for name, case in CASES.items():
        match case:
            case Case.OWN:
                await assert_own(request_sender, operations[name], bob, ann)
            case Case.OWNED:
                await assert_not_found(request_sender, operations[name], bob, ann)
            case Case.OPERATORS:
                await assert_forbidden(request_sender, operations[name], bob, ann)
    assert await read_all(rows, ann) == before


async def test_an_operator_reads_of_her_dead_letter_nothing_that_she_gave(
    request_sender: RequestSender, ann: Ann, issuer: FakeIssuer, operations: Mapping[str, Operation]
) -> None:
    operator = f"Bearer {issuer.token(uuid4(), app_metadata={'role': 'operator'})}"
    [dead_letter_id] = ann.things["letter_id"]
    listed = await request_sender.request(operations["listDeadLetters"], operator)
    read = await request_sender.request(
        operations["readDeadLetter"], operator, {"letter_id": dead_letter_id}
    )
    for response in (listed, read):
        assert response.status == 200
        assert str(dead_letter_id) in response.text
        assert SECRET not in response.text


async def test_an_operator_is_no_other_users_equal(
    request_sender: RequestSender, ann: Ann, issuer: FakeIssuer, operations: Mapping[str, Operation]
) -> None:
    operator = f"Bearer {issuer.token(uuid4(), app_metadata={'role': 'operator'})}"
    for name, case in CASES.items():
        if case is Case.OWNED:
            await assert_not_found(request_sender, operations[name], operator, ann)


async def test_ann_herself_finds_all_of_it(
    request_sender: RequestSender, ann: Ann, operations: Mapping[str, Operation]
) -> None:
    """Without this, the other tests would also pass on an empty database."""
    _, completed, _ = ann.things["job_id"]
    for name in ("readJob", "readJobResult"):
        response = await request_sender.request(
            operations[name], ann.authorization, {"job_id": completed}
        )
        assert SECRET in response.text
    listed = await request_sender.request(operations["listJobs"], ann.authorization)
    assert all(str(job_id) in listed.text for job_id in ann.things["job_id"])
    followed = await request_sender.request(operations["followJobs"], ann.authorization)
    assert "event: job" in followed.text
    repeated = await request_sender.request(operations["submitJob"], ann.authorization)
    assert repeated.headers["idempotent-replayed"] == "true"
    live, _ = ann.things["key_id"]
    listed = await request_sender.request(operations["listApiKeys"], ann.authorization)
    assert str(live) in listed.text
    rotated = await request_sender.request(
        operations["rotateApiKey"], ann.authorization, {"key_id": live}
    )
    assert rotated.status == 201
    [invoice_id] = ann.things["invoice_id"]
    for name in ("readInvoice", "listInvoiceJobs", "readInvoiceProof"):
        response = await request_sender.request(
            operations[name], ann.authorization, {"invoice_id": invoice_id}
        )
        assert response.status == 200, (name, response.text)
    [run_id] = ann.things["run_id"]
    for name in ("readAgentRun", "listAgentSteps", "listAgentApprovals", "readAgentPassage"):
        response = await request_sender.request(
            operations[name], ann.authorization, {"run_id": run_id}
        )
        assert response.status == 200, (name, response.text)
    followed = await request_sender.request(
        operations["followAgentRun"], ann.authorization, {"run_id": run_id}
    )
    assert "event: hello" in followed.text
    pending, _, failed = ann.things["job_id"]
    for name, job_id in (("cancelJob", pending), ("retryJob", failed)):
        response = await request_sender.request(
            operations[name], ann.authorization, {"job_id": job_id}
        )
        assert response.status == 202, (name, response.text)


async def assert_own(
    request_sender: RequestSender, operation: Operation, authorization: str, ann: Ann
) -> None:
    response = await request_sender.request(operation, authorization)
    assert 200 <= response.status < 300, (operation.id, response.text)
    assert "idempotent-replayed" not in response.headers
    assert_nothing_of(ann, response)


async def assert_not_found(
    request_sender: RequestSender, operation: Operation, authorization: str, ann: Ann
) -> None:
    """Hers and an unknown id get the same response, so that no caller learns which ids exist."""
    nothing = {name: uuid4() for name in ann.things}
    unknown = await request_sender.request(operation, authorization, nothing)
    [parameter] = (name for name in ann.things if f"{{{name}}}" in operation.path)
    for thing in ann.things[parameter]:
        response = await request_sender.request(operation, authorization, {parameter: thing})
        assert (response.status, response.problem) == (404, unknown.problem), operation.id


async def assert_forbidden(
    request_sender: RequestSender, operation: Operation, authorization: str, ann: Ann
) -> None:
    things = {name: kind[0] for name, kind in ann.things.items()}
    response = await request_sender.request(operation, authorization, things)
    assert (response.status, response.problem["code"]) == (403, "forbidden"), operation.id
    assert not any(mark in json.dumps(response.problem) for mark in ann.marks)


def assert_nothing_of(ann: Ann, response: CapturedResponse) -> None:
    assert not [mark for mark in ann.marks if mark in response.text]


async def read_all(rows: asyncpg.Connection, ann: Ann) -> dict[str, list[str]]:
    return {
        table: [
            str(row)
            for row in await rows.fetch(
                f"SELECT * FROM {table} WHERE user_id = $1 ORDER BY 1", ann.id
            )
        ]
        for table in TABLES
    }
