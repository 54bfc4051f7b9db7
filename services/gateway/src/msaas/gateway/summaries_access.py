"""The part of the composition root that reads summaries: their database and their caches."""

from msaas.cache import RedisStore, RedisViewCache
from msaas.gateway.adapters.postgres.summary_views import PostgresSummaryViews
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.settings import Settings
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

SUMMARY_POOL_SIZE = 4
# How long a summary is cached as long as no event changes it.
SUMMARY_TTL_SECONDS, DAILY_SUMMARY_TTL_SECONDS, REPLICA_SUMMARY_TTL_SECONDS = 60.0, 3600.0, 10.0


def open_summaries_database(settings: Settings, metrics: Metrics) -> Database:
    """Use a separate pool, so that summaries do not delay other reads."""
    url = settings.summaries_database_url or settings.read_database_url
    setting = PostgresConfig(url.get_secret_value(), max_size=SUMMARY_POOL_SIZE)
    return Database(setting, metrics)


def assemble_read_summary(
    settings: Settings,
    database: Database,
    store: RedisStore,
    cache_versions: CacheVersions,
    metrics: Metrics,
) -> ReadSummary:
    # A replica may lag behind an event: what was read from it is cached for a short time only.
    max_seconds = (
        REPLICA_SUMMARY_TTL_SECONDS
        if settings.summaries_database_url
        else DAILY_SUMMARY_TTL_SECONDS
    )
    environment = str(settings.environment)

    def create_view_cache(name: str, seconds: float) -> RedisViewCache:
        return RedisViewCache(
            store, environment, name, ttl_seconds=min(seconds, max_seconds), metrics=metrics
        )

    return ReadSummary(
        PostgresSummaryViews(database),
        cache_versions,
        short_cache=create_view_cache("summaries", SUMMARY_TTL_SECONDS),
        daily_cache=create_view_cache("daily-summaries", DAILY_SUMMARY_TTL_SECONDS),
    )
