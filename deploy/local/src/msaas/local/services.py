"""The services of the fleet as parts: what each is started with, and when it is ready."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from signal import SIGTERM

from msaas.contracts import DATABASE_LOGINS, PROCESSES, Process
from msaas.embedded import die_with_parent_command
from msaas.embedded.ports import LOOPBACK
from msaas.local.credentials import (
    LOCAL_ENVIRONMENT,
    get_or_create_sealing_keys,
    get_or_create_secret,
    redis_secret_name,
    url_with_credentials,
)
from msaas.local.dashboard import (
    START_TIMEOUT,
    DashboardBuilds,
    Node,
    find_node,
    is_requested,
    run_or_report,
)
from msaas.local.databases import ensure_database
from msaas.local.fleet import Fleet, is_listening
from msaas.local.home import REPOSITORY, Home
from msaas.local.part import Part
from msaas.local.ports import IDENTITY, STRIPE, Ports, internal_name
from msaas.local.programs import module_command
from msaas.local.state import PartState

DEMO_EMAIL = "demo@example.com"
OPERATOR_EMAIL = "operator@example.com"
IDENTITY_LOGIN = "svc_identity"
FRONTEND = REPOSITORY / "frontend"
STRIPE_URL = "https://api.stripe.com"

# Longer than a worker takes to end its runs and to report those that it could not end.
DRAIN_TIMEOUT = 30.0

EnvironmentVariables = Mapping[str, str]


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
        self._ports = Ports(notify)
        self._secret = partial(get_or_create_secret, home.secrets)
        self._supabase = environment.get("SUPABASE_URL")
        self._runs_stripe = "STRIPE_API_KEY" not in environment
        self._serves_artifacts = "ARTIFACTS_URL" not in environment
        self._runs_redis = "REDIS_URL" not in environment
        self._chromium = ""
        self._dashboard_folder = Path()

    def add(self) -> None:
        servers = tuple(part.name for part in self._fleet.parts)
        identity = () if self._supabase else ("identity",)
        files = ("artifacts",) if self._serves_artifacts else ()
        stored = ("migrate", *servers, *files)
        add = self._fleet.parts.append
        add(self._step("migrate", self._migrate, servers))
        add(self._site("demo-site", ["local.demo_site"], dict))
        if self._serves_artifacts:
            words = ["local.artifacts", "--folder", str(self._home.artifacts)]
            add(self._site("artifacts", words, self._artifact_settings))
        self._add_or_name("identity", self._supabase, lambda: self._identity(servers))
        self._add_or_name("stripe", None if self._runs_stripe else STRIPE_URL, self._stripe)
        # At Stripe itself an operator sets the catalogue up: `./msaas billing setup`.
        money = ("catalogue",) if self._runs_stripe else ()
        if self._runs_stripe:
            add(self._catalogue((*stored, "stripe")))
        add(self._process("gateway", self._gateway, (*stored, *identity, *money)))
        add(self._process("jobs", self._jobs, stored))
        add(self._process("jobs-worker", dict, servers))
        add(self._process("billing", self._billing, (*stored, *money)))
        add(self._process("billing-cron", self._billing, (*stored, *money)))
        add(self._browser_worker(servers))
        add(self._process("agents", self._agents, stored))
        if not self._supabase:
            add(self._step("seed", self._seed, tuple(part.name for part in self._fleet.parts)))
        if is_requested(FRONTEND, self._environment_given):
            add(self._dashboard())

    def _add_or_name(self, name: str, url: str | None, build: Callable[[], Part]) -> None:
        """Add a stand-in, or name the real service that is used instead."""
        if url:
            self._fleet.external.append(PartState(name, url=url, ready=True))
        else:
            self._fleet.parts.append(build())

    def _process(
        self,
        name: str,
        settings: Callable[[], EnvironmentVariables],
        depends_on: tuple[str, ...],
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> Part:
        """Build a process of the fleet's table; each connects to Redis as itself."""

        def with_redis() -> EnvironmentVariables:
            return {"REDIS_URL": self._redis_url(name), **settings()}

        return self._service(PROCESSES[name], with_redis, depends_on, prepare)

    def _service(
        self,
        process: Process,
        settings: Callable[[], EnvironmentVariables],
        depends_on: tuple[str, ...],
        prepare: Callable[[], None],
    ) -> Part:
        ports = {process.internal_port_variable: internal_name(process)}
        if process.public_port is not None:
            ports[f"{process.settings_prefix}PORT"] = process.name

        def prepare_all() -> None:
            self._ports.choose(*ports.values())
            prepare()

        def environment() -> EnvironmentVariables:
            chosen = {variable: str(self._ports.chosen[port]) for variable, port in ports.items()}
            return self._environment({**settings(), **chosen})

        return Part(
            name=process.name,
            command=partial(_python, process.command),
            environment=environment,
            is_ready=lambda _: is_ready(self._ports.url(internal_name(process))),
            prepare=prepare_all,
            url=partial(self._ports.url, list(ports.values())[-1]),
            depends_on=depends_on,
            drain_timeout=DRAIN_TIMEOUT,
        )

    def _step(
        self,
        name: str,
        settings: Callable[[], EnvironmentVariables],
        depends_on: tuple[str, ...],
    ) -> Part:
        """Build a part that runs one of the launcher's own commands once."""
        return Part(
            name=name,
            command=partial(_python, ("local", name)),
            environment=lambda: self._environment(settings()),
            depends_on=depends_on,
            once=True,
        )

    def _site(
        self, name: str, words: list[str], settings: Callable[[], EnvironmentVariables]
    ) -> Part:
        return Part(
            name=name,
            command=lambda: _python((*words, "--port", str(self._ports.chosen[name]))),
            environment=lambda: self._environment(settings()),
            is_ready=lambda _: is_listening(self._ports.url(name)),
            prepare=partial(self._ports.choose, name),
            url=partial(self._ports.url, name),
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
                "IDENTITY_PUBLIC_URL": self._ports.url("identity"),
                "IDENTITY_ANON_KEY": self._secret("anon-key"),
            }

        return self._service(IDENTITY, settings, servers, prepare)

    def _stripe(self) -> Part:
        def settings() -> EnvironmentVariables:
            return {
                "LOCAL_STRIPE_PUBLIC_URL": self._ports.url("stripe"),
                "LOCAL_STRIPE_DATA": str(self._home.stripe / "stripe.db"),
            }

        return self._service(STRIPE, settings, (), lambda: None)

    def _catalogue(self, depends_on: tuple[str, ...]) -> Part:
        """Build the part that tells the stand-in what is sold and where webhooks go."""

        def command() -> list[str]:
            url = f"{self._ports.url('gateway')}/api/v1/billing/webhooks"
            words = ("--webhook-url", url, "--secret-file", str(self._webhook_secret))
            return _python(("billing", "setup", *words))

        return Part(
            name="catalogue",
            command=command,
            environment=lambda: self._environment(self._billing()),
            prepare=partial(self._ports.choose, "gateway"),
            depends_on=depends_on,
            once=True,
        )

    @property
    def _webhook_secret(self) -> Path:
        return self._home.secrets / "stripe-webhook"

    def _browser_worker(self, servers: tuple[str, ...]) -> Part:
        def prepare() -> None:
            from msaas.local.chromium import ensure_chromium

            self._chromium = str(ensure_chromium(self._notify))

        def settings() -> EnvironmentVariables:
            site = self._ports.url("demo-site").removeprefix("http://")
            given = self._environment_given.get("BROWSER_WORKER_ALLOWED_HOSTS", "")
            return {
                "BROWSER_WORKER_CHROMIUM": self._chromium,
                "BROWSER_WORKER_ALLOWED_HOSTS": f"{site},{given}".rstrip(","),
            }

        needs = (*servers, "demo-site")
        return self._process("browser-worker", settings, needs, prepare=prepare)

    def _dashboard(self) -> Part:
        """Build it once the gateway runs, whose address it is given."""
        node: list[Node] = []

        def prepare() -> None:
            self._ports.choose("dashboard")
            node[:] = [find_node()]
            builds = DashboardBuilds(
                FRONTEND, REPOSITORY / ".msaas" / "dashboard", self._notify, run_or_report
            )
            self._dashboard_folder = builds.ensure(node[0], self._environment({}))

        def settings() -> EnvironmentVariables:
            port = self._ports.chosen["dashboard"]
            return {
                "HOSTNAME": LOOPBACK,
                "PORT": str(port),
                "NODE_ENV": "production",
                "GATEWAY_URL": self._ports.url("gateway"),
                "SUPABASE_URL": self._supabase or self._ports.url("identity"),
                "SUPABASE_ANON_KEY": self._environment_given.get("SUPABASE_ANON_KEY")
                or self._secret("anon-key"),
                "NEXT_PUBLIC_SITE_URL": self._ports.url("dashboard"),
                "NEXT_PUBLIC_EXAMPLE_SITE": self._ports.url("demo-site"),
                "NEXT_PUBLIC_RELEASE": self._dashboard_folder.name,
            }

        def command() -> list[str]:
            server = [str(node[0].program), str(self._dashboard_folder / "server.js")]
            return die_with_parent_command(server, SIGTERM)

        return Part(
            name="dashboard",
            command=command,
            environment=lambda: self._environment(settings()),
            is_ready=lambda _: _answers(f"{self._ports.url('dashboard')}/api/health"),
            prepare=prepare,
            url=partial(self._ports.url, "dashboard"),
            depends_on=("gateway",),
            start_timeout=START_TIMEOUT,
        )

    def _gateway(self) -> EnvironmentVariables:
        return {
            "DATABASE_URL": self._login("svc_gateway"),
            "GATEWAY_READ_DATABASE_URL": self._login("svc_gateway_read"),
            "SUPABASE_URL": self._supabase or self._ports.url("identity"),
            "GATEWAY_API_KEY_PEPPERS": self._secret("api-key-pepper"),
            "GATEWAY_SEALING_KEY": str(get_or_create_sealing_keys(self._home.secrets)[0].public),
            **self._webhook_settings(),
            **self._return_settings(),
            **self._artifact_settings(),
        }

    def _return_settings(self) -> EnvironmentVariables:
        """Name the page that the payment provider sends users back to: the dashboard's own."""
        if not is_requested(FRONTEND, self._environment_given):
            return {}
        self._ports.choose("dashboard")
        return {"GATEWAY_BILLING_RETURN_URL": f"{self._ports.url('dashboard')}/billing"}

    def _webhook_settings(self) -> EnvironmentVariables:
        if not self._runs_stripe or not self._webhook_secret.exists():
            return {}
        return {"STRIPE_WEBHOOK_SECRET": self._webhook_secret.read_text()}

    def _jobs(self) -> EnvironmentVariables:
        keys = get_or_create_sealing_keys(self._home.secrets)
        return {
            "JOBS_SEALING_KEYS": ",".join(key.export() for key in keys),
            "DATABASE_URL": self._login("svc_jobs"),
            **self._artifact_settings(),
        }

    def _billing(self) -> EnvironmentVariables:
        stripe = {"BILLING_STRIPE_URL": self._ports.url("stripe")} if self._runs_stripe else {}
        return {"DATABASE_URL": self._login("svc_billing"), **stripe}

    def _agents(self) -> EnvironmentVariables:
        return {
            "DATABASE_URL": self._login("svc_agents"),
            "AGENTS_MEMORY_KEY": self._secret("agents-memory"),
            "CHROMA_PERSIST_DIR": self._environment_given.get(
                "CHROMA_PERSIST_DIR", str(self._home.path / "chroma")
            ),
        }

    def _migrate(self) -> EnvironmentVariables:
        passwords = {f"{login.upper()}_PASSWORD": self._secret(login) for login in DATABASE_LOGINS}
        return {"DATABASE_URL": self._database_url(), **passwords}

    def _seed(self) -> EnvironmentVariables:
        return {"MSAAS_HOME": str(self._home.path)}

    def _environment(self, settings: EnvironmentVariables) -> EnvironmentVariables:
        """Add the process's settings to the environment, without the servers' addresses."""
        addresses = {"DATABASE_URL", "REDIS_URL", "SUPABASE_URL"}
        given = {**os.environ, **self._environment_given}
        kept = {name: value for name, value in given.items() if name not in addresses}
        # Workflows are off by default, and on where everything else of the product can be tried.
        flags = {"FF_AGENTS_ENABLED": "true"}
        return {**flags, **kept, "ENVIRONMENT": LOCAL_ENVIRONMENT, **settings}

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
    """Return the URL of the embedded identity's own database on the fleet's server."""
    url = url_with_credentials(
        database_url, IDENTITY_LOGIN, get_or_create_secret(home.secrets, IDENTITY_LOGIN)
    )
    return f"{url.rpartition('/')[0]}/identity"


def _python(words: Sequence[str]) -> list[str]:
    program, *arguments = words
    return die_with_parent_command([*module_command(program), *arguments], SIGTERM)


def is_ready(internal_url: str) -> bool:
    return _answers(f"{internal_url}/health/ready")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  # a local address
            return answer.status == 200  # noqa: PLR2004  # HTTP's OK
    except (OSError, urllib.error.URLError):
        return False
