"""The services of the fleet as parts: what each is started with, and when it is ready."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from msaas.local.databases import ensure_database
from msaas.local.fleet import Fleet, choose_port, is_listening
from msaas.local.home import Home
from msaas.local.part import Part
from msaas.local.programs import module_command
from msaas.local.state import PartState

DEMO_EMAIL = "demo@example.com"
OPERATOR_EMAIL = "operator@example.com"
IDENTITY_LOGIN = "svc_identity"
# The stand-in for Supabase: it uses no Redis, so the table of the fleet's processes lacks it.
IDENTITY = Process(
    name="identity",
    command=("identity", "serve"),
    consumer_group="",
    settings_prefix="IDENTITY_",
    public_port=9999,
    internal_port=9004,
)
# The stand-in for Stripe; a STRIPE_API_KEY replaces it.
STRIPE = Process(
    name="stripe",
    command=("stripe", "serve"),
    consumer_group="",
    settings_prefix="LOCAL_STRIPE_",
    public_port=12111,
    internal_port=12112,
)
STRIPE_URL = "https://api.stripe.com"
_SITE_PORTS = {"demo-site": 8010, "artifacts": 8020}

# Longer than a worker takes to end its runs and to report those that it could not end.
DRAIN_TIMEOUT = 30.0

EnvironmentVariables = Mapping[str, str]


def _list_ports() -> dict[str, int]:
    """Return each port under its name: a process's own, and `<process>-internal`."""
    ports = dict(_SITE_PORTS)
    for process in (*PROCESSES.values(), IDENTITY, STRIPE):
        declared = {process.name: process.public_port, _internal(process): process.internal_port}
        ports |= {name: port for name, port in declared.items() if port is not None}
    return ports


def _internal(process: Process) -> str:
    return f"{process.name}-internal"


PORTS = _list_ports()


@dataclass
class _Ports:
    """The default ports, or free ones where those are taken; a chosen port does not change."""

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
        self._runs_stripe = "STRIPE_API_KEY" not in environment
        self._serves_artifacts = "ARTIFACTS_URL" not in environment
        self._runs_redis = "REDIS_URL" not in environment
        self._chromium = ""

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
        if not self._supabase:
            add(self._step("seed", self._seed, tuple(part.name for part in self._fleet.parts)))

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
        ports = {process.internal_port_variable: _internal(process)}
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
            is_ready=lambda _: is_ready(self._ports.url(_internal(process))),
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

    def _gateway(self) -> EnvironmentVariables:
        return {
            "DATABASE_URL": self._login("svc_gateway"),
            "GATEWAY_READ_DATABASE_URL": self._login("svc_gateway_read"),
            "SUPABASE_URL": self._supabase or self._ports.url("identity"),
            "GATEWAY_API_KEY_PEPPERS": self._secret("api-key-pepper"),
            "GATEWAY_SEALING_KEY": str(get_or_create_sealing_keys(self._home.secrets)[0].public),
            **self._webhook_settings(),
            **self._artifact_settings(),
        }

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
        return {**kept, "ENVIRONMENT": LOCAL_ENVIRONMENT, **settings}

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
    try:
        with urllib.request.urlopen(f"{internal_url}/health/ready", timeout=1) as answer:  # noqa: S310  # a local address
            return answer.status == 200  # noqa: PLR2004  # HTTP's OK
    except (OSError, urllib.error.URLError):
        return False
