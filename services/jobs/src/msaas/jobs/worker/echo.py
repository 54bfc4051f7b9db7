"""Returns its message after a delay: a whole job without a browser."""

import asyncio

from msaas.contracts import EchoParams, EchoResult
from msaas.worker import RunContext

_STEP = 1.0


class Echo:
    """Waits in steps, so that a long wait can be cancelled and reports its progress."""

    task_type = "echo"

    async def run(self, run: RunContext) -> EchoResult:
        params = run.params
        if not isinstance(params, EchoParams):
            raise TypeError("echo needs EchoParams")
        seconds = left = params.delay_ms / 1000
        while left > _STEP:
            await asyncio.sleep(_STEP)
            left -= _STEP
            await run.raise_if_cancelled()
            await run.report_progress(int(100 * (seconds - left) / seconds))
        await asyncio.sleep(left)
        length = None if params.secret is None else len(params.secret)
        return EchoResult(message=params.message, secret_length=length)
