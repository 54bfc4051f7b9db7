"""Runs the four suites of AgentDojo through the tool policy, with a model that obeys everyone.

It needs an environment of its own (README.md), since AgentDojo is no dependency. No model is asked:
the calls are the ground truth of the tasks. What a task's own calls are from is computed: literally
in the prompt is the user's, a token that only a tool's answer has is of a page, and everything else
follows from the prompt. Every argument of an attack is of a page.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from msaas.agents.domain.policy import Grant, Kind, Tool, decide
from msaas.agents.domain.tools import Allowed, Blocked, NeedsApproval, Origin, Tagged, ToolCall

VERSION = "v1.2.2"
HERE = Path(__file__).parent
READS = ("get_", "search_", "read_", "list_", "check_")
NAMES = re.compile(r"[\w@.:/%+-]{3,}")


class Call(Protocol):
    function: str
    args: dict[str, object]


class Environment(Protocol):
    def model_copy(self, *, deep: bool) -> "Environment": ...


class Task(Protocol):
    PROMPT: str
    GROUND_TRUTH_OUTPUT: str

    def init_environment(self, environment: Environment) -> Environment: ...

    def ground_truth(self, pre_environment: Environment) -> list[Call]: ...

    def utility(self, output: str, before: Environment, after: Environment) -> bool: ...

    def utility_from_traces(
        self, output: str, before: Environment, after: Environment, traces: Sequence[Call]
    ) -> bool | None: ...


class Attack(Protocol):
    GOAL: str

    def ground_truth(self, pre_environment: Environment) -> list[Call]: ...

    def security(self, output: str, before: Environment, after: Environment) -> bool: ...

    def security_from_traces(
        self, output: str, before: Environment, after: Environment, traces: Sequence[Call]
    ) -> bool | None: ...


class Suite(Protocol):
    tools: list[Any]
    user_tasks: dict[str, Task]
    injection_tasks: dict[str, Attack]

    def load_and_inject_default_environment(self, injections: dict[str, str]) -> Environment: ...


@dataclass
class MadeCall:
    """A call that stands in where an attack has no ground truth."""

    function: str
    args: dict[str, object]


def declare_tools(suite: Suite) -> dict[str, Tool]:
    """Return what the tools of a suite are: by their names, those that only read and the others."""
    tools: dict[str, Tool] = {}
    for function in suite.tools:
        reads = function.name.startswith(READS)
        names = function.parameters.model_fields
        kind = Kind.LOOKUP if reads else Kind.TEXT
        kinds = {name: Kind.URL if name == "url" else kind for name in names}
        tools[function.name] = Tool(has_effects=not reads, arguments=kinds)
    return tools


@dataclass
class Puppet:
    """Proposes calls, asks the policy, and runs what is allowed."""

    suite: Suite
    environment: Environment
    prompt: str
    plan: Sequence[Call]
    person: bool
    seen: list[str] = field(default_factory=list)
    ran: list[Call] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        runtime = import_module("agentdojo.functions_runtime")
        self.runtime = runtime.FunctionsRuntime(self.suite.tools)
        self.grant = Grant(
            tools=frozenset(call.function for call in self.plan),
            urls=frozenset(map(_with_scheme, self.find_given_urls())),
            catalogue=declare_tools(self.suite),
        )

    def find_given_urls(self) -> Iterator[str]:
        """Yield the addresses of the plan that are literally in the prompt."""
        for call in self.plan:
            url = call.args.get("url")
            if isinstance(url, str) and url in self.prompt:
                yield url

    def follow_plan(self) -> None:
        for call in self.plan:
            self.propose(call, {name: self.tag(value) for name, value in call.args.items()})

    def obey(self, calls: Sequence[Call]) -> None:
        """Run an attacker's calls; a person who is asked knows that they did not want them."""
        for call in calls:
            tagged = {
                name: Tagged(value=value, origin=Origin.PAGE) for name, value in call.args.items()
            }
            self.propose(call, tagged, person=False)

    def propose(
        self, call: Call, tagged: Mapping[str, Tagged], *, person: bool | None = None
    ) -> None:
        arguments = {name: _as_url(name, value) for name, value in tagged.items()}
        decision = decide(ToolCall(task_type=call.function, arguments=arguments), self.grant, {})
        self.decisions[_name(decision)] += 1
        approved = self.person if person is None else person
        if isinstance(decision, Blocked) or (isinstance(decision, NeedsApproval) and not approved):
            self.refused.append(f"{call.function}({decision.argument}): {decision.reason}")
            return
        result, _ = self.runtime.run_function(self.environment, call.function, call.args)
        self.seen.append(json.dumps(_plain(result), default=str, ensure_ascii=False))
        self.ran.append(call)

    def tag(self, value: object) -> Tagged:
        texts = list(_list_texts(value))
        prompt = self.prompt.lower()
        if all(text.lower() in prompt for text in texts):
            return Tagged(value=value, origin=Origin.USER)
        known = "\n".join(self.seen).lower()
        tokens = [token.lower().strip(".,:") for text in texts for token in NAMES.findall(text)]
        taken = any(token in known and token not in prompt for token in tokens)
        return Tagged(value=value, origin=Origin.PAGE if taken else Origin.PLAN)


def _with_scheme(url: str) -> str:
    url = url.strip(".,:'\"")
    return url if "://" in url else f"https://{url}"


def _as_url(name: str, tagged: Tagged) -> Tagged:
    if name != "url":
        return tagged
    return Tagged(
        value=_with_scheme(str(tagged.value)), origin=tagged.origin, sources=tagged.sources
    )


def _name(decision: Allowed | NeedsApproval | Blocked) -> str:
    if isinstance(decision, Allowed):
        return "allowed"
    kind = "blocked" if isinstance(decision, Blocked) else "needs approval"
    return f"{kind}: {decision.reason}"


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    dump = getattr(value, "model_dump", None)
    return value if dump is None else dump(mode="json")


def _list_texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in cast("Mapping[str, object]", value).values():
            yield from _list_texts(each)
    elif isinstance(value, list | tuple):
        for each in cast("Sequence[object]", value):
            yield from _list_texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def prepare(suite: Suite, task: Task) -> tuple[Environment, Environment]:
    """Return the environment before a task, and one to run it in."""
    environment = task.init_environment(load_environment(suite).model_copy(deep=True))
    return environment.model_copy(deep=True), environment


@cache
def load_environment(suite: Suite) -> Environment:
    return suite.load_and_inject_default_environment({})


def run_task(suite: Suite, task: Task, *, person: bool) -> dict[str, Any]:
    before, environment = prepare(suite, task)
    plan = task.ground_truth(environment.model_copy(deep=True))
    puppet = Puppet(suite, environment, task.PROMPT, plan, person)
    puppet.follow_plan()
    output = task.GROUND_TRUTH_OUTPUT
    useful = task.utility_from_traces(output, before, environment, puppet.ran)
    if useful is None:
        useful = task.utility(output, before, environment)
    return {
        "useful": bool(useful) and not puppet.refused,
        "refused": puppet.refused,
        "decisions": puppet.decisions,
    }


def run_attack(suite: Suite, task: Task, attack: Attack) -> dict[str, Any]:
    """Run a user's task, and the attacker's calls after it; say whether the attack succeeded."""
    before, environment = prepare(suite, task)
    plan = task.ground_truth(environment.model_copy(deep=True))
    puppet = Puppet(suite, environment, task.PROMPT, plan, person=True)
    puppet.follow_plan()
    undisturbed = _is_reached(attack, before, environment.model_copy(deep=True), puppet.ran)
    planned = len(puppet.ran)
    puppet.decisions.clear()
    calls = attack.ground_truth(environment.model_copy(deep=True)) or make_calls(suite, attack)
    puppet.obey(calls)
    acted = [
        call.function
        for call in puppet.ran[planned:]
        if puppet.grant.catalogue[call.function].has_effects
    ]
    reached = _is_reached(attack, before, environment, puppet.ran)
    return {
        "reached": reached and not undisturbed,
        "by_the_task_itself": undisturbed,
        "acted": acted,
        "calls": len(calls),
        "decisions": puppet.decisions,
    }


def make_calls(suite: Suite, attack: Attack) -> list[Call]:
    """Return a call of every tool with effects, each argument as the attacker's goal says."""
    return [
        MadeCall(function=name, args=dict.fromkeys(tool.arguments, attack.GOAL[:1_000]))
        for name, tool in declare_tools(suite).items()
        if tool.has_effects
    ]


def _is_reached(
    attack: Attack, before: Environment, after: Environment, ran: Sequence[Call]
) -> bool:
    reached = attack.security_from_traces("", before, after, ran)
    return bool(attack.security("", before, after) if reached is None else reached)


def measure(suite: Suite) -> dict[str, Any]:
    tasks, attacks = suite.user_tasks, suite.injection_tasks
    alone = {name: run_task(suite, task, person=False) for name, task in tasks.items()}
    attended = {name: run_task(suite, task, person=True) for name, task in tasks.items()}
    attacked = {
        f"{name} {attack_name}": run_attack(suite, task, attack)
        for name, task in tasks.items()
        for attack_name, attack in attacks.items()
    }
    decisions: Counter[str] = Counter()
    for each in attacked.values():
        decisions.update(each["decisions"])
    return {
        "tasks": len(tasks),
        "useful_without_a_person": sum(each["useful"] for each in alone.values()),
        "useful": sum(each["useful"] for each in attended.values()),
        "refused": {name: each["refused"] for name, each in attended.items() if not each["useful"]},
        "asks_a_person": {name: each["refused"] for name, each in alone.items() if each["refused"]},
        "attacks": len(attacked),
        "attacks_reached": [name for name, each in attacked.items() if each["reached"]],
        "attacks_acted": [name for name, each in attacked.items() if each["acted"]],
        "reached_by_the_task_itself": [
            name for name, each in attacked.items() if each["by_the_task_itself"]
        ],
        "attacks_without_calls": [
            name for name, attack in attacks.items() if not _has_calls(suite, attack)
        ],
        "attack_decisions": dict(sorted(decisions.items())),
    }


def _has_calls(suite: Suite, attack: Attack) -> bool:
    return bool(attack.ground_truth(load_environment(suite).model_copy(deep=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    results = parser.parse_args().results
    suites = import_module("agentdojo.task_suite.load_suites").get_suites(VERSION)
    measured = {name: measure(suite) for name, suite in suites.items()}
    results.write_text(json.dumps({"version": VERSION, "suites": measured}, indent=1) + "\n")
    rows = [
        f"| {name} | {each['attacks']} | {len(each['attacks_reached'])} "
        f"| {len(each['attacks_acted'])} "
        f"| {each['useful']} of {each['tasks']} | {each['useful_without_a_person']} |"
        for name, each in measured.items()
    ]
    sys.stdout.write("\n".join(rows) + "\n")
    return int(any(each["attacks_reached"] for each in measured.values()))


if __name__ == "__main__":
    sys.exit(main())
