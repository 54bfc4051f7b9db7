"""Ending the wait of a job whose time has come; the record knows whether it has."""

from msaas.contracts import WakeJob
from msaas.jobs.application.command_batch import CommandBatch, CommandOutcome


def wake(batch: CommandBatch, command: WakeJob) -> CommandOutcome:
    job = batch.jobs.get(command.job_id)
    if job is not None and not job.is_finished:
        batch.to_wake.add(job.id)
    return CommandOutcome(reply={})
