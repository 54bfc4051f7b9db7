"""The workflows, as graphs over the ports of the application."""

from msaas.agents.application.ports import Workflow
from msaas.agents.workflows.extract import ExtractWorkflow
from msaas.agents.workflows.monitor import MonitorWorkflow
from msaas.agents.workflows.research import ResearchWorkflow

__all__ = ["ExtractWorkflow", "MonitorWorkflow", "ResearchWorkflow", "build_workflows"]


def build_workflows() -> dict[str, Workflow]:
    workflows = (ResearchWorkflow(), ExtractWorkflow(), MonitorWorkflow())
    return {workflow.workflow_type: workflow for workflow in workflows}
