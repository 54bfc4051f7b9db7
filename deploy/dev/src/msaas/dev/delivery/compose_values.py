"""What docker-compose.yaml gives each variable; what is not listed passes through from .env."""

from typing import Final

from msaas.dev.delivery.workloads import Workload

LOCAL_PASSWORD: Final = "local"  # noqa: S105  # outside local mode every process refuses it
DATABASE: Final = "msaas"
IDENTITY_DATABASE: Final = "identity"
GATEWAY_PUBLIC: Final = "${PUBLIC_GATEWAY_URL:-http://127.0.0.1:8000}"
DASHBOARD_PUBLIC: Final = "${PUBLIC_DASHBOARD_URL:-http://127.0.0.1:3000}"
_IDENTITY_PUBLIC: Final = "${IDENTITY_PUBLIC_URL:-http://127.0.0.1:9999}"
_KEYS_PATH: Final = "/auth/v1/.well-known/jwks.json"

VALUES: Final = {
    "ENVIRONMENT": "${ENVIRONMENT:-local}",
    "SUPABASE_URL": f"${{SUPABASE_URL:-{_IDENTITY_PUBLIC}}}",
    "SUPABASE_JWT_JWKS_URL": (
        f"${{SUPABASE_JWT_JWKS_URL:-${{SUPABASE_URL:-http://identity:9999}}{_KEYS_PATH}}}"
    ),
    "IDENTITY_PUBLIC_URL": _IDENTITY_PUBLIC,
    "IDENTITY_SITE_URL": DASHBOARD_PUBLIC,
    "IDENTITY_ANON_KEY": "${SUPABASE_ANON_KEY:-local-anon-key}",
    "GATEWAY_BILLING_RETURN_URL": f"{DASHBOARD_PUBLIC}/billing",
    "BILLING_STRIPE_URL": "${BILLING_STRIPE_URL-http://stripe:12111}",
    "LOCAL_STRIPE_PUBLIC_URL": "${LOCAL_STRIPE_PUBLIC_URL:-http://127.0.0.1:12111}",
    "LOCAL_STRIPE_WEBHOOK_SECRET": "${STRIPE_WEBHOOK_SECRET:-whsec_local}",
    "LOCAL_STRIPE_DATA": "/data/stripe.db",
    "ARTIFACTS_URL": "${ARTIFACTS_URL:-file:///artifacts}",
    "ARTIFACTS_LINK_KEY": f"${{ARTIFACTS_LINK_KEY:-{LOCAL_PASSWORD}}}",
}
_PUBLIC_LINKS: Final = "${PUBLIC_ARTIFACTS_URL:-http://127.0.0.1:8020}/files"
_INNER_LINKS: Final = "http://artifacts:8020/files"

DASHBOARD_VALUES: Final = {
    "ENVIRONMENT": VALUES["ENVIRONMENT"],
    "GATEWAY_URL": "http://gateway:8000",
    "SUPABASE_URL": "${SUPABASE_URL:-http://identity:9999}",
    "SUPABASE_ANON_KEY": VALUES["IDENTITY_ANON_KEY"],
    "NEXT_PUBLIC_API_URL": GATEWAY_PUBLIC,
    "NEXT_PUBLIC_SITE_URL": DASHBOARD_PUBLIC,
    "NEXT_PUBLIC_SENTRY_DSN": "${NEXT_PUBLIC_SENTRY_DSN:-}",
}


def get_value(workload: Workload, variable: str) -> str | None:
    """Return the value of a variable, or None where it only passes through."""
    process = workload.process
    if variable == "REDIS_URL":
        password = f"${{{redis_password_variable(process.name)}:-{LOCAL_PASSWORD}}}"
        return f"redis://{process.name}:{password}@redis:6379/0"
    if variable.endswith("DATABASE_URL"):
        return _database_url(workload, variable)
    if variable == "ARTIFACTS_LINK_URL":
        is_edge = process.public_port is not None and workload.uses_database
        return _PUBLIC_LINKS if is_edge else _INNER_LINKS
    ports = {
        f"{process.settings_prefix}PORT": process.public_port,
        process.internal_port_variable: process.internal_port,
    }
    if variable in ports:
        return str(ports[variable])
    if variable in {f"{process.settings_prefix}HOST", f"{process.settings_prefix}INTERNAL_HOST"}:
        return "0.0.0.0"  # noqa: S104  # inside a container
    return VALUES.get(variable)


def _database_url(workload: Workload, variable: str) -> str | None:
    """Give DATABASE_URL the first login, and a further URL the login that ends like its name.

    A process without a login of its own uses its image's; a stand-in has a database of its own.
    """
    process = workload.process
    logins = process.database_logins or workload.image.database_logins
    if not logins:
        return database_url(f"svc_{process.name}", process.name)
    if variable == "DATABASE_URL":
        return database_url(logins[0], DATABASE)
    kind = variable.removeprefix(process.settings_prefix).removesuffix("_DATABASE_URL").lower()
    found = [login for login in logins if login.endswith(f"_{kind}")]
    return database_url(found[0], DATABASE) if found else None


def database_url(login: str, database: str) -> str:
    password = f"${{{login.upper()}_PASSWORD:-{LOCAL_PASSWORD}}}"
    return f"postgresql://{login}:{password}@postgres:5432/{database}"


def redis_password_variable(user: str) -> str:
    return f"REDIS_{user.upper().replace('-', '_')}_PASSWORD"
