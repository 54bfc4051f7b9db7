"""The addresses and credentials of the running fleet."""

from collections.abc import Mapping
from dataclasses import dataclass

from msaas.embedded import LocalError
from msaas.local.credentials import (
    LOCAL_ENVIRONMENT,
    get_or_create_secret,
    redis_secret_name,
    url_with_credentials,
)
from msaas.local.home import Home, find_home
from msaas.local.services import DEMO_EMAIL, OPERATOR_EMAIL, identity_database_url
from msaas.local.state import find_state


@dataclass(frozen=True)
class RunningFleet:
    gateway_url: str
    supabase_url: str
    site_url: str
    identity_database_url: str
    anon_key: str
    email: str
    password: str
    operator_email: str
    operator_password: str


def find_running_fleet(home: Home) -> RunningFleet | None:
    urls = _list_urls(home)
    if not {"postgres", "gateway", "identity", "demo-site"} <= urls.keys():
        return None
    return RunningFleet(
        gateway_url=urls["gateway"],
        supabase_url=urls["identity"],
        site_url=urls["demo-site"],
        identity_database_url=identity_database_url(urls["postgres"], home),
        anon_key=get_or_create_secret(home.secrets, "anon-key"),
        email=DEMO_EMAIL,
        password=get_or_create_secret(home.secrets, "demo-password"),
        operator_email=OPERATOR_EMAIL,
        operator_password=get_or_create_secret(home.secrets, "operator-password"),
    )


def get_running_fleet(environment: Mapping[str, str]) -> RunningFleet:
    found = find_running_fleet(find_home(environment))
    if found is None:
        raise LocalError("Nothing is running: start it with `./msaas up`.")
    return found


def get_database_url(environment: Mapping[str, str]) -> str:
    """Return DATABASE_URL, else the URL of the Postgres that runs here."""
    return environment.get("DATABASE_URL") or _get_url(
        environment, "postgres", "Set DATABASE_URL, or start a Postgres with `./msaas up`."
    )


def get_redis_environment(environment: Mapping[str, str], process: str) -> Mapping[str, str]:
    """Return nothing when REDIS_URL is set, else the settings of the local Redis as `process`."""
    if environment.get("REDIS_URL"):
        return {}
    url = _get_url(environment, "redis", "Set REDIS_URL, or start a Redis with `./msaas up`.")
    password = get_or_create_secret(find_home(environment).secrets, redis_secret_name(process))
    return {
        "ENVIRONMENT": LOCAL_ENVIRONMENT,
        "REDIS_URL": url_with_credentials(url, process, password),
    }


def get_owner_environment(environment: Mapping[str, str], login: str) -> Mapping[str, str]:
    """Return nothing when DATABASE_URL is set, else the settings of the fleet's own `login`."""
    if environment.get("DATABASE_URL"):
        return {}
    home = find_home(environment)
    password = get_or_create_secret(home.secrets, login)
    return {
        "ENVIRONMENT": LOCAL_ENVIRONMENT,
        "DATABASE_URL": url_with_credentials(get_database_url(environment), login, password),
        "ARTIFACTS_URL": environment.get("ARTIFACTS_URL") or home.artifacts.as_uri(),
    }


def _get_url(environment: Mapping[str, str], name: str, advice: str) -> str:
    url = _list_urls(find_home(environment)).get(name)
    if url is None:
        raise LocalError(advice)
    return url


def _list_urls(home: Home) -> dict[str, str]:
    """Return the URL of each running part."""
    state = find_state(home.state_path)
    parts = state.parts if state and state.launcher.alive else []
    return {part.name: part.url for part in parts if part.url}


def get_billing_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the login of billing, and the stand-in's address unless STRIPE_API_KEY is set."""
    settings = dict(get_owner_environment(environment, "svc_billing"))
    if not environment.get("STRIPE_API_KEY"):
        settings["BILLING_STRIPE_URL"] = _get_url(
            environment, "stripe", "Set STRIPE_API_KEY, or start the stand-in with `./msaas up`."
        )
    return settings
