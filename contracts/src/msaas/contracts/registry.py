"""The topics of the fleet, each declared once."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from msaas.contracts.agents import (
    ApproveStep,
    ResumeRun,
    RunChanged,
    RunFinished,
    RunStep,
    RunToken,
)
from msaas.contracts.audit import AuditRecorded
from msaas.contracts.billing import (
    ApplyStripeEvent,
    ChangePlan,
    CorrectUsage,
    OpenCheckout,
    OpenPortal,
    PreviewInvoice,
    ProveInvoice,
    ReconcileUsage,
    RefreshAccount,
    ReplayStripeEvent,
    ReportUsage,
    SetSpendLimit,
    StripeEventReceived,
)
from msaas.contracts.dead_letters import (
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.contracts.errors import UnknownTopic
from msaas.contracts.jobs import (
    CancelJob,
    CancelRequested,
    ChangeJobs,
    ContinueBulkChange,
    DeadlinePassed,
    JobChanged,
    JobEnvelope,
    JobFailed,
    JobHeartbeat,
    JobLost,
    JobOutcome,
    JobProgressed,
    JobStarted,
    JobSucceeded,
    JobWaiting,
    PushedJob,
    RetryJob,
    SubmitJob,
    SubmitJobs,
    WakeJob,
)
from msaas.contracts.pauses import CircuitOpened, PauseTask, ResumeTask
from msaas.contracts.reply import Reply
from msaas.contracts.sse import AccountChanged
from msaas.contracts.topics import Topic, TopicKind
from msaas.contracts.usage import (
    CountUsage,
    ResendUsage,
    SubscriptionChanged,
    UsageCounted,
    UsageNoted,
    UsageReconciled,
    UsageRecorded,
    UsageReported,
)

_DECLARED = (
    Topic(
        name="jobs.commands",
        kind=TopicKind.WORK,
        messages=(
            *(SubmitJob, SubmitJobs, PushedJob, CancelJob, RetryJob, DeadlinePassed, WakeJob),
            *(ChangeJobs, ContinueBulkChange),
            *(PauseTask, ResumeTask),
            *(ListDeadLetters, ShowDeadLetter, ReplayDeadLetters, ResolveDeadLetters),
        ),
        owner="jobs",
        producers=frozenset({"agents", "gateway", "jobs"}),
        consumers=("jobs",),
        bound=10_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="jobs.browser",
        kind=TopicKind.WORK,
        messages=(JobEnvelope,),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("browser-worker",),
        bound=10_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="jobs.generic",
        kind=TopicKind.WORK,
        messages=(JobEnvelope,),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("jobs-worker",),
        bound=10_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="jobs.agents",
        kind=TopicKind.WORK,
        messages=(JobEnvelope,),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("agents",),
        bound=10_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="jobs.outcomes",
        kind=TopicKind.WORK,
        messages=(JobOutcome,),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("agents",),
        bound=100_000,
        dlq_owner="agents",
    ),
    Topic(
        name="jobs.control",
        kind=TopicKind.LOG,
        messages=(CancelRequested,),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("agents", "browser-worker", "jobs-worker"),
        retention=timedelta(minutes=5),
    ),
    Topic(
        name="jobs.results",
        kind=TopicKind.WORK,
        messages=(
            *(JobStarted, JobHeartbeat, JobProgressed, JobWaiting, JobSucceeded, JobFailed),
            *(JobLost, CircuitOpened),
        ),
        owner="jobs",
        producers=frozenset({"agents", "browser-worker", "jobs", "jobs-worker"}),
        consumers=("jobs",),
        bound=100_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="jobs.events",
        kind=TopicKind.LOG,
        messages=(JobChanged, AccountChanged),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("gateway",),
        retention=timedelta(minutes=10),
    ),
    Topic(
        name="usage.events",
        kind=TopicKind.WORK,
        messages=(UsageRecorded, UsageNoted, UsageCounted),
        owner="jobs",
        producers=frozenset({"jobs"}),
        consumers=("billing",),
        bound=100_000,
        dlq_owner="billing",
    ),
    Topic(
        name="usage.requests",
        kind=TopicKind.WORK,
        messages=(ResendUsage, CountUsage),
        owner="jobs",
        producers=frozenset({"billing", "billing-cron"}),
        consumers=("jobs",),
        bound=10_000,
        dlq_owner="jobs",
    ),
    Topic(
        name="billing.commands",
        kind=TopicKind.WORK,
        messages=(
            *(OpenCheckout, OpenPortal, ChangePlan, SetSpendLimit),
            *(RefreshAccount, ApplyStripeEvent, ReplayStripeEvent),
            *(ReportUsage, CorrectUsage, PreviewInvoice, ProveInvoice, ReconcileUsage),
        ),
        owner="billing",
        producers=frozenset({"billing", "billing-cron", "gateway"}),
        consumers=("billing",),
        bound=10_000,
        dlq_owner="billing",
    ),
    Topic(
        name="billing.webhooks",
        kind=TopicKind.WORK,
        messages=(StripeEventReceived,),
        owner="billing",
        producers=frozenset({"billing-cron", "gateway"}),
        consumers=("billing",),
        bound=10_000,
        dlq_owner="billing",
    ),
    Topic(
        name="billing.events",
        kind=TopicKind.WORK,
        messages=(SubscriptionChanged, UsageReported, UsageReconciled),
        owner="billing",
        producers=frozenset({"billing"}),
        consumers=("jobs", "gateway"),
        bound=10_000,
        dlq_owner="billing",
    ),
    Topic(
        name="agents.commands",
        kind=TopicKind.WORK,
        messages=(ResumeRun, ApproveStep),
        owner="agents",
        producers=frozenset({"gateway"}),
        consumers=("agents",),
        bound=10_000,
        dlq_owner="agents",
    ),
    Topic(
        name="agents.events",
        kind=TopicKind.LOG,
        messages=(RunChanged, RunStep, RunToken, RunFinished),
        owner="agents",
        producers=frozenset({"agents"}),
        consumers=("gateway",),
        retention=timedelta(minutes=10),
    ),
    Topic(
        name="audit.events",
        kind=TopicKind.WORK,
        messages=(AuditRecorded,),
        owner="privacy",
        producers=frozenset({"gateway"}),
        consumers=("privacy",),
        bound=100_000,
        dlq_owner="privacy",
    ),
    Topic(
        name="replies",
        kind=TopicKind.REPLY,
        messages=(Reply,),
        owner="jobs",
        producers=frozenset({"agents", "billing", "jobs"}),
        consumers=("agents", "gateway"),
        retention=timedelta(seconds=60),
    ),
)

TOPICS: Mapping[str, Topic] = MappingProxyType({topic.name: topic for topic in _DECLARED})


def get_topic(name: str) -> Topic:
    try:
        return TOPICS[name]
    except KeyError:
        raise UnknownTopic(f"no topic is called {name!r}") from None
