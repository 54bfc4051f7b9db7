"""All stores of the service on one database."""

from dataclasses import dataclass

from msaas.agents.adapters.postgres.checkpoints import PostgresCheckpoints
from msaas.agents.adapters.postgres.documents import PostgresDocuments, PostgresMemoryTexts
from msaas.agents.adapters.postgres.effects import PostgresApprovals, PostgresToolCalls
from msaas.agents.adapters.postgres.frames import PostgresFrames
from msaas.agents.adapters.postgres.ledger import PostgresLedger
from msaas.agents.adapters.postgres.runs import PostgresRuns
from msaas.agents.adapters.postgres.steps import PostgresSteps
from msaas.agents.application.stores import (
    ApprovalStore,
    CallLedger,
    CheckpointStore,
    DocumentStore,
    FrameOutbox,
    MemoryTexts,
    RunStore,
    StepStore,
    ToolCallStore,
)
from msaas.postgres import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    runs: RunStore
    ledger: CallLedger
    tools: ToolCallStore
    approvals: ApprovalStore
    steps: StepStore
    frames: FrameOutbox
    documents: DocumentStore
    memories: MemoryTexts
    checkpoints: CheckpointStore


def build_stores(database: Database) -> Stores:
    return Stores(
        runs=PostgresRuns(database),
        ledger=PostgresLedger(database),
        tools=PostgresToolCalls(database),
        approvals=PostgresApprovals(database),
        steps=PostgresSteps(database),
        frames=PostgresFrames(database),
        documents=PostgresDocuments(database),
        memories=PostgresMemoryTexts(database),
        checkpoints=PostgresCheckpoints(database),
    )
