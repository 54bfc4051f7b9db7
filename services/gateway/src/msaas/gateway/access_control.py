"""Builds access control: API keys, feature flags, and the audit trail of their changes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msaas.cache import RedisStore
from msaas.flags import FeatureFlags, summarise_overrides
from msaas.gateway.adapters.flag_publisher import FlagPublisher
from msaas.gateway.adapters.postgres.api_keys import PostgresKeyRepository
from msaas.gateway.adapters.postgres.audit_outbox import PostgresAuditOutbox
from msaas.gateway.adapters.postgres.flags import PostgresFlagRepository
from msaas.gateway.application.api_key_streams import ApiKeyStreams
from msaas.gateway.application.api_key_verifier import ApiKeyVerifier
from msaas.gateway.application.audit import AuditEntry, Auditor
from msaas.gateway.application.features import Features
from msaas.gateway.application.manage_flags import ManageFlags
from msaas.gateway.application.manage_keys import ManageKeys
from msaas.gateway.settings import Settings
from msaas.kernel import PeriodicTask
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics, log_task_failure

AUDIT_TOPIC: Final = "audit.events"
FLAG_REFRESH_SECONDS: Final = 2.0
KEY_USE_FLUSH_SECONDS: Final = 30.0
STREAM_CHECK_SECONDS: Final = 3.0
AUDIT_PUBLISH_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class AccessControl:
    key_verifier: ApiKeyVerifier
    key_streams: ApiKeyStreams
    manage_keys: ManageKeys
    features: Features
    manage_flags: ManageFlags
    auditor: Auditor
    periodic_tasks: Sequence[PeriodicTask]


def assemble_access_control(
    users: Database,
    messenger: Messenger,
    settings: Settings,
    metrics: Metrics,
    *,
    redis_store: RedisStore,
    flag_defaults: Mapping[str, bool],
) -> AccessControl:
    store = PostgresKeyRepository(users)
    outbox = PostgresAuditOutbox(users)
    flag_store = PostgresFlagRepository(users)
    peppers = settings.api_key_peppers.get_secret_value().encode().replace(b" ", b"").split(b",")
    verifier = ApiKeyVerifier(store, peppers, metrics=metrics)
    key_streams = ApiKeyStreams(store)
    features = Features(FeatureFlags(flag_defaults), flag_store, metrics)
    flag_publisher = FlagPublisher(redis_store, str(settings.environment))

    async def publish(entry: AuditEntry) -> bool:
        event, correlation_id = entry
        sent = await messenger.publisher.publish(
            AUDIT_TOPIC, event, id=event.audit_id, correlation_id=correlation_id
        )
        return sent is not None

    async def refresh_flags() -> None:
        await features.refresh()
        await flag_publisher.publish(summarise_overrides(features.switches.overrides))

    async def publish_audit_entries() -> None:
        await outbox.publish_unsent(publish)

    messenger.on_epoch(outbox.requeue_for_epoch)
    return AccessControl(
        key_verifier=verifier,
        key_streams=key_streams,
        manage_keys=ManageKeys(store, peppers[0], verifier.forget),
        features=features,
        manage_flags=ManageFlags(flag_store, features.refresh),
        auditor=Auditor(outbox),
        periodic_tasks=[
            create_task("flags", refresh_flags, FLAG_REFRESH_SECONDS),
            create_task(
                "key last used", verifier.flush_last_used, KEY_USE_FLUSH_SECONDS, last_step=True
            ),
            create_task("api key streams", key_streams.end_inactive, STREAM_CHECK_SECONDS),
            create_task("audit", publish_audit_entries, AUDIT_PUBLISH_SECONDS),
        ],
    )


def create_task(
    name: str, step: Callable[[], Awaitable[None]], period: float, *, last_step: bool = False
) -> PeriodicTask:
    return PeriodicTask(
        name, step, period=period, report_failure=log_task_failure, last_step=last_step
    )
