"""Puts together who may do what: keys, flags, and the trail of those who change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msaas.flags import Switches
from msaas.gateway.adapters.postgres.api_keys import PostgresKeys, PostgresKeyViews
from msaas.gateway.adapters.postgres.audit_outbox import PostgresAuditOutbox
from msaas.gateway.adapters.postgres.flags import PostgresFlags
from msaas.gateway.application.audit import Act, Auditor
from msaas.gateway.application.features import Features
from msaas.gateway.application.held_streams import HeldStreams
from msaas.gateway.application.key_ring import KeyRing
from msaas.gateway.application.manage_keys import ManageKeys
from msaas.gateway.application.switch_flags import SwitchFlags
from msaas.gateway.entrypoints.beats import Beat
from msaas.gateway.settings import Settings
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics

AUDIT: Final = "audit.events"
FLAGS_EVERY: Final = 2.0
KEY_USE_EVERY: Final = 30.0
HELD_STREAMS_EVERY: Final = 3.0
AUDIT_EVERY: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may do what: keys, flags, and the trail of those who change them."""

    keys: KeyRing
    features: Features
    beats: Sequence[Beat]
    state: Mapping[str, Any]


def assemble_access(
    users: Database,
    reads: Database,
    messenger: Messenger,
    settings: Settings,
    metrics: Metrics,
    *,
    flag_defaults: Mapping[str, bool],
) -> Access:
    store = PostgresKeys(users)
    outbox = PostgresAuditOutbox(users)
    flag_store = PostgresFlags(users)
    peppers = settings.api_key_peppers.get_secret_value().encode().replace(b" ", b"").split(b",")
    keys = KeyRing(store, peppers, metrics=metrics)
    held = HeldStreams(store)
    features = Features(Switches(flag_defaults), flag_store, metrics)

    async def publish(act: Act) -> bool:
        record, correlation_id = act
        sent = await messenger.publisher.publish(
            AUDIT, record, id=record.audit_id, correlation_id=correlation_id
        )
        return sent is not None

    async def hand_on() -> None:
        await outbox.hand_on(publish)

    messenger.on_epoch(outbox.tell_again)
    return Access(
        keys=keys,
        features=features,
        beats=[
            Beat("flags", features.refresh, FLAGS_EVERY),
            Beat("key use", keys.note_use, KEY_USE_EVERY, at_the_end=True),
            Beat("held streams", held.check, HELD_STREAMS_EVERY),
            Beat("audit", hand_on, AUDIT_EVERY),
        ],
        state={
            "api_keys": ManageKeys(store, peppers[0], keys.forget),
            "key_views": PostgresKeyViews(reads),
            "held_streams": held,
            "features": features,
            "switch_flags": SwitchFlags(flag_store, features.refresh),
            "auditor": Auditor(outbox),
        },
    )
