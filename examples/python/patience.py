"""How often, and how soon, something is tried again."""

import asyncio
import random
import sys

FAILURES_MAX = 10
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 10


class Patience:
    def __init__(self) -> None:
        self._failures = 0

    def renew(self) -> None:
        """Things go well: the next failure is the first again."""
        self._failures = 0

    async def spend(self, failure: Exception) -> None:
        """Waits after a failure, longer each time, and raises it when there were too many in a row."""
        self._failures += 1
        if self._failures == FAILURES_MAX:
            raise failure
        print(f"[trying again: {failure}]", file=sys.stderr)
        pause = min(PAUSE_SECONDS * 2**self._failures, PAUSE_SECONDS_MAX)
        # Of a thousand clients that lost the same server, not all come back at the same moment.
        await asyncio.sleep(pause * random.uniform(0.5, 1))
