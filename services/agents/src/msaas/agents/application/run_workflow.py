"""Runs a workflow from where it is to its next wait, or to its end."""

import asyncio
from time import perf_counter
from typing import Any, Final, cast

from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from pydantic_core import to_json

from msaas.agents.application.guard import Guard
from msaas.agents.application.orchestrator import Orchestrator
from msaas.agents.application.ports import Run, Workflow
from msaas.agents.application.run_ports import Services, Stores
from msaas.agents.application.tool_calls import ToolCalls
from msaas.agents.domain.ceilings import limit_run
from msaas.agents.domain.errors import (
    CeilingReached,
    ModelAnswerInvalid,
    ModelUnavailable,
    StaleRun,
)
from msaas.agents.domain.fences import order_fence
from msaas.agents.domain.runs import Ending, NewRun, StoredRun
from msaas.agents.domain.waits import Wait, merge_waits
from msaas.contracts import (
    ExtractParams,
    MonitorParams,
    ResearchParams,
    ValueObject,
    WorkflowParams,
    WorkflowType,
    get_task,
)
from msaas.kernel import Clock, MsaasError
from msaas.telemetry import Metrics, span
from msaas.worker import ActionFailed, RunCancelled, RunContext, RunReleased, WaitForChildren

MAX_TITLE: Final = 200
EXTRA_SUPERSTEPS: Final = 10
_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class RunMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self.seconds = metrics.histogram(
            "agents_workflow_execution_seconds",
            "One run of a workflow between two waits.",
            ("workflow_type",),
            _BUCKETS,
        )
        self.runs = metrics.counter(
            "agents_workflow_total",
            "Runs of workflows between two waits, by outcome.",
            ("workflow_type", "outcome"),
        )
        self.blocked = metrics.counter(
            "agents_prompt_blocked_total",
            "Calls of tools that the policy has blocked.",
            ("reason",),
        )


class RunWorkflow:
    """The action of one workflow's task; `drain` lets its runs stop at their next step."""

    def __init__(
        self,
        workflow: Workflow,
        stores: Stores,
        services: Services,
        metrics: RunMetrics,
        clock: Clock,
    ) -> None:
        self._workflow = workflow
        self._graph = workflow.build()
        self._stores = stores
        self._services = services
        self._metrics = metrics
        self._clock = clock
        self._controls: set[RunControl] = set()

    @property
    def task_type(self) -> str:
        return f"workflow.{self._workflow.workflow_type}"

    def drain(self) -> None:
        for control in self._controls:
            control.request_drain()

    async def run(self, run: RunContext) -> ValueObject | WaitForChildren:
        workflow_type = self._workflow.workflow_type
        control = RunControl()
        self._controls.add(control)
        started, outcome = perf_counter(), "failed"
        try:
            with span("agents.workflow.run", workflow_type=workflow_type):
                result = await self._run(run, control)
            outcome = "waiting" if isinstance(result, WaitForChildren) else "succeeded"
        except (RunReleased, asyncio.CancelledError, RunCancelled):
            outcome = "released" if control.drain_requested else "stopped"
            raise
        else:
            return result
        finally:
            self._controls.discard(control)
            self._metrics.seconds.labels(workflow_type).observe(perf_counter() - started)
            self._metrics.runs.labels(workflow_type, outcome).inc()
            self._services.frames_ready()

    async def _run(self, run: RunContext, control: RunControl) -> ValueObject | WaitForChildren:
        attempt = _Attempt(run, control, self._workflow, self._stores)
        try:
            await attempt.begin()
            if (ended := attempt.read_end()) is not None:
                return ended
            return await self._advance(attempt)
        except (StaleRun, GraphDrained):
            raise RunReleased from None
        except (RunCancelled, asyncio.CancelledError):
            await self._stop(attempt)
            raise
        except ModelUnavailable as error:
            reason = error.code if isinstance(error, ModelAnswerInvalid) else "models_unavailable"
            failure = ActionFailed(reason, error.safe_message, retryable=True)
            raise await self._fail(attempt, failure) from None
        except ActionFailed as failure:
            raise await self._fail(attempt, failure) from None
        except RunReleased:
            raise
        except MsaasError as error:
            failure = ActionFailed(error.code, error.safe_message, retryable=error.retryable)
            raise await self._fail(attempt, failure) from None

    async def _advance(self, attempt: "_Attempt") -> ValueObject | WaitForChildren:
        orchestrator = self._build_orchestrator(attempt)
        partial_reason: str | None = None
        try:
            await self._invoke(attempt, orchestrator)
        except CeilingReached as reached:
            partial_reason = f"ceiling_{reached.ceiling}"
        except GraphRecursionError:
            partial_reason = "ceiling_steps"
        if orchestrator.waits and partial_reason is None:
            return await self._suspend(attempt, merge_waits(orchestrator.waits))
        return await self._succeed(attempt, partial_reason)

    def _build_orchestrator(self, attempt: "_Attempt") -> Orchestrator:
        services, run, stored = self._services, attempt.view, attempt.stored
        tools = ToolCalls(
            run,
            stored,
            attempt.fence,
            stores=self._stores,
            policy=services.policy(run),
            children=services.children,
            clock=self._clock,
            correlation_id=attempt.correlation_id,
            on_blocked=lambda reason: self._metrics.blocked.labels(reason).inc(),
        )
        return Orchestrator(
            run,
            attempt.fence,
            stores=self._stores,
            services=services,
            guard=Guard(attempt.context, stored, services.flags, attempt.control, self._clock),
            tools=tools,
            clock=self._clock,
        )

    async def _invoke(self, attempt: "_Attempt", orchestrator: Orchestrator) -> None:
        """Go on from the last checkpoint: what was interrupted or has failed begins anew."""
        graph = self._compile(attempt)
        has_begun = await graph.checkpointer.aget_tuple(attempt.config) is not None
        await graph.ainvoke(
            None if has_begun else self._workflow.initial_state(attempt.view),
            attempt.config | {"recursion_limit": attempt.stored.ceilings.steps + EXTRA_SUPERSTEPS},
            context=orchestrator,
            durability="sync",
            control=attempt.control,
        )

    def _compile(self, attempt: "_Attempt") -> Any:
        saver = self._stores.checkpoints.build_saver(attempt.stored, attempt.fence)
        return self._graph.compile(checkpointer=saver)

    async def _suspend(self, attempt: "_Attempt", wait: Wait) -> WaitForChildren:
        run_id, until = attempt.view.run_id, wait.until
        await self._stores.runs.suspend(run_id, attempt.fence, for_person=wait.for_person)
        for approval_id in wait.approvals:
            # One that is decided from now on finds a run that waits, and wakes it.
            found = await self._stores.approvals.find(approval_id, attempt.view.user_id)
            if found is not None and found.state != "open":
                until = self._clock.now()
        return WaitForChildren(children=wait.children, until=until)

    async def _succeed(self, attempt: "_Attempt", partial_reason: str | None) -> ValueObject:
        state = (await self._compile(attempt).aget_state(attempt.config)).values
        result = self._workflow.result(state, partial_reason)
        found = await self._stores.runs.find(attempt.view.run_id)
        spend = (found or attempt.stored).spend
        result = result.model_copy(update={"spend": spend})
        answer = result.model_dump(mode="json")
        await self._finish(
            attempt, Ending(state="succeeded", answer=answer, partial_reason=partial_reason)
        )
        return result

    async def _fail(self, attempt: "_Attempt", failure: ActionFailed) -> ActionFailed:
        """End the run unless jobs will try it again."""
        if attempt.has_begun and not (failure.may_retry and attempt.may_be_retried):
            await self._finish(attempt, Ending(state="failed", failure_reason=failure.reason))
        return failure

    async def _stop(self, attempt: "_Attempt") -> None:
        """End the run where its job was cancelled; one that is drained goes on elsewhere."""
        try:
            await attempt.context.raise_if_cancelled()
        except RunCancelled:
            if attempt.has_begun:
                await self._finish(attempt, Ending(state="cancelled"))

    async def _finish(self, attempt: "_Attempt", ending: Ending) -> None:
        run = attempt.view
        await self._stores.runs.finish(run.run_id, attempt.fence, ending)
        calls = await self._stores.tools.list_of(run.run_id)
        if going := [call.child_job_id for call in calls if call.outcome is None]:
            correlation_id = attempt.correlation_id
            await self._services.children.cancel(run, going, correlation_id=correlation_id)


def find_title(params: ValueObject) -> str:
    match params:
        case ResearchParams(question=text) | ExtractParams(instruction=text):
            return text
        case MonitorParams(name=name):
            return name
        case _:
            return "Run"


class _Attempt:
    """One dispatch of a run: the run as the stores have it, held by this attempt's fence."""

    def __init__(
        self,
        context: RunContext,
        control: RunControl,
        workflow: Workflow,
        stores: Stores,
    ) -> None:
        meta = context.envelope.meta
        self.context = context
        self.control = control
        self.fence = order_fence(meta.valid_until, context.envelope.fence)
        self.correlation_id = meta.correlation_id
        self.view = Run(
            run_id=context.envelope.job_id,
            user_id=meta.user_id,
            workflow_type=workflow.workflow_type,
            plan=meta.plan,
            params=context.params,
        )
        self.config: dict[str, Any] = {
            "configurable": {"thread_id": f"{self.view.run_id}:{workflow.fingerprint}"}
        }
        self._workflow = workflow
        self._runs = stores.runs
        self._stored: StoredRun | None = None

    @property
    def has_begun(self) -> bool:
        return self._stored is not None

    @property
    def stored(self) -> StoredRun:
        if self._stored is None:
            raise StaleRun
        return self._stored

    @property
    def may_be_retried(self) -> bool:
        return self.context.envelope.attempts + 1 < self.context.envelope.max_attempts

    async def begin(self) -> None:
        run = self.view
        params = run.params
        requested = params.ceilings if isinstance(params, WorkflowParams) else None
        new = NewRun(
            run_id=run.run_id,
            user_id=run.user_id,
            workflow_type=cast("WorkflowType", run.workflow_type),
            plan=run.plan,
            title=find_title(params)[:MAX_TITLE],
            params=params.model_dump(mode="json"),
            graph_fingerprint=self._workflow.fingerprint,
            ceilings=limit_run(run.plan, requested or WorkflowParams().ceilings),
        )
        self._stored = await self._runs.begin(new, self.fence)

    def read_end(self) -> ValueObject | None:
        """Report the end again that an earlier attempt has stored and perhaps not reported."""
        stored = self.stored
        match stored.state:
            case "succeeded":
                result = get_task(self.context.envelope.task_type).result
                return result.model_validate_json(to_json(stored.answer or {}))
            case "failed":
                reason = stored.failure_reason or "internal"
                raise ActionFailed(reason, "The run has failed.", retryable=False)
            case "cancelled":
                raise RunCancelled
            case _:
                return None
