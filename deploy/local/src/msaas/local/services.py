"""The services of the fleet as parts: what each is started with, and when it is ready."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from signal import SIGTERM

from msaas.embedded import die_with_parent_command
from msaas.embedded.ports import LOOPBACK
from msaas.local.databases import ensure_database
from msaas.local.fleet import Fleet, choose_port, is_listening
from msaas.local.home import Home
from msaas.local.part import Part
from msaas.local.programs import module_command
from msaas.local.redis_users import LOCAL_ENVIRONMENT, redis_secret_name, url_with_credentials
from msaas.local.secret_files import get_or_create_sealing_keys, get_or_create_secret
from msaas.local.state import PartState

DEMO_EMAIL = "demo@example.com"
OPERATOR_EMAIL = "operator@example.com"
PORTS = {
    "gateway": 8000,
    "demo-site": 8010,
    "artifacts": 8020,
    "identity": 9999,
    "gateway-internal": 9000,
    "jobs-internal": 9001,
    "jobs-worker-internal": 9002,
    "browser-worker-internal": 9003,
    "identity-internal": 9004,
}
# Logins that the migrations make without a password, and the one of the embedded identity.
LOGINS = ("svc_gateway", "svc_gateway_read", "svc_jobs")
IDENTITY_LOGIN = "svc_identity"

# Longer than a worker takes to end its runs and to report those that it could not end.
DRAIN_TIMEOUT = 30.0

EnvironmentVariables = Mapping[str, str]


@dataclass
class _Ports:
    """The usual ports, evaded where somebody else has them; once in use they stay."""

    notify: Callable[[str], None]
    chosen: dict[str, int] = field(default_factory=dict[str, int])

    def choose(self, *names: str) -> None:
        for name in names:
            if name not in self.chosen:
                self.chosen[name] = choose_port(PORTS[name], name, self.notify)

    def url(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self.chosen.get(name, PORTS[name])}"


class Services:
    """Adds to a fleet of servers everything that runs on them."""

    def __init__(
        self,
        home: Home,
        environment: EnvironmentVariables,
        fleet: Fleet,
        notify: Callable[[str], None],
    ) -> None:
        self._home = home
        self._environment_given = environment
        self._fleet = fleet
        self._notify = notify
        self._ports = _Ports(notify)
        self._secret = partial(get_or_create_secret, home.secrets)
        self._supabase = environment.get("SUPABASE_URL")
        self._serves_artifacts = "ARTIFACTS_URL" not in environment
        self._runs_redis = "REDIS_URL" not in environment
        self._chromium = ""

    def add(self) -> None:
        servers = tuple(part.name for part in self._fleet.parts)
        identity = () if self._supabase else ("identity",)
        add = self._fleet.parts.append
        add(self._step("migrate", ["local", "migrate"], self._migrate, servers))
        add(self._demo_site_part())
        if self._serves_artifacts:
            add(self._artifacts_part())
        if self._supabase:
            given = PartState("identity", url=self._supabase, ready=True)
            self._fleet.external.append(given)
        else:
            add(self._identity(servers))
        files = ("artifacts",) if self._serves_artifacts else ()
        ready = ("migrate", *servers, *identity, *files)
        add(self._service("gateway", ["gateway", "serve"], self._gateway, ready, public="gateway"))
        add(self._service("jobs", ["jobs", "serve"], self._jobs, ("migrate", *servers, *files)))
        add(self._service("jobs-worker", ["jobs", "worker"], self._jobs_worker, servers))
        add(self._browser(servers))
        if not self._supabase:
            everything = tuple(part.name for part in self._fleet.parts)
            add(self._step("seed", ["local", "seed"], self._seed, everything))

    def _service(
        self,
        name: str,
        words: list[str],
        settings: Callable[[], EnvironmentVariables],
        depends_on: tuple[str, ...],
        *,
        public: str | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> Part:
        internal = f"{name}-internal"

        def prepare_all() -> None:
            self._ports.choose(*(one for one in (public, internal) if one))
            prepare()

        return Part(
            name=name,
            command=partial(_python, words),
            environment=lambda: self._environment(settings()),
            is_ready=lambda _: _is_ready(self._ports.url(internal)),
            prepare=prepare_all,
            url=partial(self._ports.url, public or internal),
            depends_on=depends_on,
            drain_timeout=DRAIN_TIMEOUT,
        )

    def _step(
        self,
        name: str,
        words: list[str],
        settings: Callable[[], EnvironmentVariables],
        depends_on: tuple[str, ...],
    ) -> Part:
        return Part(
            name=name,
            command=partial(_python, words),
            environment=lambda: self._environment(settings()),
            depends_on=depends_on,
            once=True,
        )

    def _demo_site_part(self) -> Part:
        port = lambda: str(self._ports.chosen["demo-site"])  # noqa: E731  # known once it is prepared
        return Part(
            name="demo-site",
            command=lambda: _python(["local.demo_site", "--port", port()]),
            environment=lambda: self._environment({}),
            is_ready=lambda _: is_listening(self._ports.url("demo-site")),
            prepare=partial(self._ports.choose, "demo-site"),
            url=partial(self._ports.url, "demo-site"),
        )

    def _artifacts_part(self) -> Part:
        """Make the folder of files, and the door before it that signed links lead to."""
        port = lambda: str(self._ports.chosen["artifacts"])  # noqa: E731  # known once it is prepared
        folder = str(self._home.artifacts)
        return Part(
            name="artifacts",
            command=lambda: _python(["local.artifacts", "--port", port(), "--folder", folder]),
            environment=lambda: self._environment(self._artifact_settings()),
            is_ready=lambda _: is_listening(self._ports.url("artifacts")),
            prepare=partial(self._ports.choose, "artifacts"),
            url=partial(self._ports.url, "artifacts"),
        )

    def _artifact_settings(self) -> EnvironmentVariables:
        if not self._serves_artifacts:
            return {}
        return {
            "ARTIFACTS_URL": self._home.artifacts.as_uri(),
            "ARTIFACTS_LINK_URL": f"{self._ports.url('artifacts')}/files",
            "ARTIFACTS_LINK_KEY": self._secret("artifact-links"),
        }

    def _identity(self, servers: tuple[str, ...]) -> Part:
        def prepare() -> None:
            ensure_database(
                self._database_url(), "identity", IDENTITY_LOGIN, self._secret(IDENTITY_LOGIN)
            )

        def settings() -> EnvironmentVariables:
            return {
                "DATABASE_URL": identity_database_url(self._database_url(), self._home),
                "IDENTITY_PORT": str(self._ports.chosen["identity"]),
                "IDENTITY_PUBLIC_URL": self._ports.url("identity"),
                "IDENTITY_ANON_KEY": self._secret("anon-key"),
                **self._internal("identity"),
            }

        words = ["identity", "serve"]
        return self._service(
            "identity", words, settings, servers, public="identity", prepare=prepare
        )

    def _browser(self, servers: tuple[str, ...]) -> Part:
        def prepare() -> None:
            from msaas.local.chromium import ensure_chromium

            self._chromium = str(ensure_chromium(self._notify))

        def settings() -> EnvironmentVariables:
            site = self._ports.url("demo-site").removeprefix("http://")
            return {
                "REDIS_URL": self._redis_url("browser-worker"),
                "BROWSER_WORKER_CHROMIUM": self._chromium,
                "BROWSER_WORKER_ALLOWED_HOSTS": site,
                **self._internal("browser-worker"),
            }

        words, needs = ["browser_worker", "serve"], (*servers, "demo-site")
        return self._service("browser-worker", words, settings, needs, prepare=prepare)

    def _gateway(self) -> EnvironmentVariables:
        return {
            "DATABASE_URL": self._login("svc_gateway"),
            "GATEWAY_READ_DATABASE_URL": self._login("svc_gateway_read"),
            "REDIS_URL": self._redis_url("gateway"),
            "SUPABASE_URL": self._supabase or self._ports.url("identity"),
            "GATEWAY_API_KEY_PEPPERS": self._secret("api-key-pepper"),
            "GATEWAY_SEALING_KEY": str(get_or_create_sealing_keys(self._home.secrets)[0].public),
            "GATEWAY_PORT": str(self._ports.chosen["gateway"]),
            **self._artifact_settings(),
            **self._internal("gateway"),
        }

    def _jobs(self) -> EnvironmentVariables:
        keys = get_or_create_sealing_keys(self._home.secrets)
        return {
            "JOBS_SEALING_KEYS": ",".join(key.export() for key in keys),
            "DATABASE_URL": self._login("svc_jobs"),
            "REDIS_URL": self._redis_url("jobs"),
            **self._artifact_settings(),
            **self._internal("jobs"),
        }

    def _jobs_worker(self) -> EnvironmentVariables:
        port = self._ports.chosen["jobs-worker-internal"]
        return {"REDIS_URL": self._redis_url("jobs-worker"), "JOBS_INTERNAL_PORT": str(port)}

    def _migrate(self) -> EnvironmentVariables:
        passwords = {f"{login.upper()}_PASSWORD": self._secret(login) for login in LOGINS}
        return {"DATABASE_URL": self._database_url(), **passwords}

    def _seed(self) -> EnvironmentVariables:
        return {"MSAAS_HOME": str(self._home.path)}

    def _environment(self, settings: EnvironmentVariables) -> EnvironmentVariables:
        """Pass on what a process of this machine needs, and of addresses only its own."""
        ours = ("DATABASE_URL", "REDIS_URL", "SUPABASE_URL")
        outside = {name: value for name, value in os.environ.items() if name not in ours}
        given = {name: value for name, value in self._environment_given.items() if name not in ours}
        return {**outside, **given, "ENVIRONMENT": LOCAL_ENVIRONMENT, **settings}

    def _internal(self, name: str) -> EnvironmentVariables:
        variable = f"{name.replace('-', '_').upper()}_INTERNAL_PORT"
        return {variable: str(self._ports.chosen[f"{name}-internal"])}

    def _database_url(self) -> str:
        return self._fleet.urls["postgres"]()

    def _login(self, login: str) -> str:
        return url_with_credentials(self._database_url(), login, self._secret(login))

    def _redis_url(self, process: str) -> str:
        url = self._fleet.urls["redis"]()
        return (
            url_with_credentials(url, process, self._secret(redis_secret_name(process)))
            if self._runs_redis
            else url
        )


def identity_database_url(database_url: str, home: Home) -> str:
    """Name the embedded identity's own database on the fleet's server."""
    url = url_with_credentials(
        database_url, IDENTITY_LOGIN, get_or_create_secret(home.secrets, IDENTITY_LOGIN)
    )
    return f"{url.rpartition('/')[0]}/identity"


def _python(words: list[str]) -> list[str]:
    program, *arguments = words
    return die_with_parent_command([*module_command(f"msaas.{program}"), *arguments], SIGTERM)


def _is_ready(internal_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{internal_url}/health/ready", timeout=1) as answer:  # noqa: S310  # our own address
            return answer.status == 200  # noqa: PLR2004  # HTTP's word for yes
    except (OSError, urllib.error.URLError):
        return False
