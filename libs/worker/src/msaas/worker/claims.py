"""A worker of a task that runs once claims the job before it acts: of two runs, one acts."""

from msaas.contracts import JobEnvelope, Task, claim_key
from msaas.messaging import Delivery, Messenger


async def claim_run(
    messenger: Messenger, task: Task, delivery: Delivery, envelope: JobEnvelope
) -> bool:
    """Return whether this run may act; a claim that this entry made before is its own.

    It lasts longer than any run, and longer than any other envelope of the job stays valid.
    """
    if not task.once or envelope.meta.claim is None:
        return True
    context = messenger.context
    key = claim_key(context.environment, envelope.job_id, envelope.meta.claim)
    owner = f"{envelope.fence}:{delivery.entry_id}"
    return await context.broker.claim(key, owner, 2 * (task.valid_for + task.timeout))
