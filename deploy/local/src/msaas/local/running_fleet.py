"""The addresses and credentials of the running fleet."""

from collections.abc import Mapping
from dataclasses import dataclass

from msaas.embedded import LocalError
from msaas.local.home import Home, find_home
from msaas.local.redis_users import LOCAL_ENVIRONMENT, redis_secret_name, url_with_credentials
from msaas.local.secret_files import get_or_create_secret
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
    state = find_state(home.state_path)
    if state is None or not state.launcher.alive:
        return None
    urls = {part.name: part.url for part in state.parts if part.url}
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
    if given := environment.get("DATABASE_URL"):
        return given
    state = find_state(find_home(environment).state_path)
    parts = state.parts if state and state.launcher.alive else []
    url = next((part.url for part in parts if part.name == "postgres"), None)
    if url is None:
        raise LocalError("Set DATABASE_URL, or start a Postgres with `./msaas up`.")
    return url


def get_redis_environment(environment: Mapping[str, str], process: str) -> Mapping[str, str]:
    """Return nothing when REDIS_URL is set, else the settings of the local Redis as `process`."""
    if environment.get("REDIS_URL"):
        return {}
    home = find_home(environment)
    state = find_state(home.state_path)
    parts = state.parts if state and state.launcher.alive else []
    url = next((part.url for part in parts if part.name == "redis"), None)
    if url is None:
        raise LocalError("Set REDIS_URL, or start a Redis with `./msaas up`.")
    password = get_or_create_secret(home.secrets, redis_secret_name(process))
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
