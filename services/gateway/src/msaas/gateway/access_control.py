"""Puts together who may do what: keys, flags, and the trail of those who change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msaas.cache import RedisStore
from msaas.flags import FeatureFlags, summarise_overrides
from msaas.gateway.adapters.flag_publisher import FlagPublisher
from msaas.gateway.adapters.postgres.api_keys import PostgresKeyRepository, PostgresKeyViews
from msaas.gateway.adapters.postgres.audit_outbox import PostgresAuditOutbox
from msaas.gateway.adapters.postgres.flags import PostgresFlagRepository
from msaas.gateway.application.api_key_streams import ApiKeyStreams
from msaas.gateway.application.api_key_verifier import ApiKeyVerifier
from msaas.gateway.application.audit import AuditEntry, Auditor
from msaas.gateway.application.features import Features
from msaas.gateway.application.manage_flags import ManageFlags
from msaas.gateway.application.manage_keys import ManageKeys
from msaas.gateway.entrypoints.periodic_tasks import PeriodicTask
from msaas.gateway.settings import Settings
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics

AUDIT_TOPIC: Final = "audit.events"
FLAG_REFRESH_SECONDS: Final = 2.0
KEY_USE_FLUSH_SECONDS: Final = 30.0
STREAM_CHECK_SECONDS: Final = 3.0
AUDIT_PUBLISH_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class AccessControl:
    """Who may do what: keys, flags, and the trail of those who change them."""

    keys: ApiKeyVerifier
    features: Features
    periodic_tasks: Sequence[PeriodicTask]
    state: Mapping[str, Any]


def assemble_access_control(
    users: Database,
    reads: Database,
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
    keys = ApiKeyVerifier(store, peppers, metrics=metrics)
    key_streams = ApiKeyStreams(store)
    features = Features(FeatureFlags(flag_defaults), flag_store, metrics)
    flag_publisher = FlagPublisher(redis_store, str(settings.environment))

    async def publish(act: AuditEntry) -> bool:
        record, correlation_id = act
        sent = await messenger.publisher.publish(
            AUDIT_TOPIC, record, id=record.audit_id, correlation_id=correlation_id
        )
        return sent is not None

    async def refresh_flags() -> None:
        await features.refresh()
        await flag_publisher.publish(summarise_overrides(features.switches.overrides))

    async def publish_audit_entries() -> None:
        await outbox.publish_unsent(publish)

    messenger.on_epoch(outbox.requeue_for_epoch)
    return AccessControl(
        keys=keys,
        features=features,
        periodic_tasks=[
            PeriodicTask("flags", refresh_flags, FLAG_REFRESH_SECONDS),
            PeriodicTask(
                "key last used", keys.flush_last_used, KEY_USE_FLUSH_SECONDS, run_on_stop=True
            ),
            PeriodicTask("api key streams", key_streams.end_inactive, STREAM_CHECK_SECONDS),
            PeriodicTask("audit", publish_audit_entries, AUDIT_PUBLISH_SECONDS),
        ],
        state={
            "api_keys": ManageKeys(store, peppers[0], keys.forget),
            "key_views": PostgresKeyViews(reads),
            "held_streams": key_streams,
            "features": features,
            "switch_flags": ManageFlags(flag_store, features.refresh),
            "auditor": Auditor(outbox),
        },
    )
