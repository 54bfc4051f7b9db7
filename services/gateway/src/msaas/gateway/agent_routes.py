"""Assembles what the routes of agent runs call; with it `bootstrap` is the composition root."""

from dataclasses import dataclass
from typing import Final

from msaas.gateway.adapters.broker_commands import BrokerCommandSender
from msaas.gateway.adapters.postgres.agent_views import PostgresAgentViews
from msaas.gateway.application.decide_approvals import DecideApprovals
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.entrypoints.topics.agent_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.agent_events import AgentEventHandler
from msaas.messaging import CommandClient, Messenger
from msaas.postgres import Database
from msaas.telemetry import Metrics

AGENT_COMMANDS: Final = "agents.commands"


@dataclass(frozen=True, kw_only=True)
class AgentRoutes:
    views: PostgresAgentViews
    decide_approvals: DecideApprovals


def assemble_agent_routes(
    client: CommandClient,
    messenger: Messenger,
    reads: Database,
    run_hub: JobEventHub,
    metrics: Metrics,
) -> AgentRoutes:
    handler = AgentEventHandler(run_hub, metrics)
    messenger.tail_log([EVENTS], handler.handle, handler.reset, handler.start_at)
    views = PostgresAgentViews(reads)
    commands = BrokerCommandSender(client, AGENT_COMMANDS)
    return AgentRoutes(views=views, decide_approvals=DecideApprovals(views, commands))
