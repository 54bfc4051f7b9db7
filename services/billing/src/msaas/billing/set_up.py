"""`python -m msaas.billing setup`: makes or verifies the catalogue at Stripe, prints the diff."""

from pathlib import Path

from msaas.billing.adapters.postgres.catalogue import PostgresCatalogue
from msaas.billing.adapters.stripe.catalogue import StripeCatalogueClient
from msaas.billing.adapters.stripe.client import API_VERSION
from msaas.billing.application.set_up_catalogue import SetUpCatalogue
from msaas.billing.bootstrap import SERVICE, open_client
from msaas.billing.domain.stripe_events import SNAPSHOT_TYPES
from msaas.billing.settings import SetUpSettings
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics


async def set_up(
    settings: SetUpSettings, webhook_url: str, *, secret_file: Path | None, is_dry_run: bool
) -> int:
    """Return 0 where everything is as it should be, and 1 where an operator has to decide."""
    metrics = Metrics(SERVICE, str(settings.environment))
    client = open_client(settings, metrics)
    config = PostgresConfig(settings.database_url.get_secret_value())
    try:
        async with Database(config, metrics) as database:
            result = await SetUpCatalogue(
                StripeCatalogueClient(client),
                PostgresCatalogue(database, livemode=settings.livemode, api_version=API_VERSION),
                webhook_url=webhook_url,
                api_version=API_VERSION,
                types=frozenset(SNAPSHOT_TYPES),
                is_dry_run=is_dry_run,
            )()
    finally:
        await client.close()
    for line in result.lines:
        print(line, flush=True)  # noqa: T201  # the answer of a command
    if result.secret is not None:
        _hand_over(result.secret, secret_file)
    return 0 if result.is_complete else 1


def _hand_over(secret: str, secret_file: Path | None) -> None:
    """Stripe shows the secret only once: store it, or else print it."""
    if secret_file is None:
        print(f"Set STRIPE_WEBHOOK_SECRET={secret}", flush=True)  # noqa: T201  # see above
        return
    secret_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret)
