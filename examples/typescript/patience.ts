// How often, and how soon, something is tried again.

import { setTimeout } from "node:timers/promises";

const FAILURES_MAX = 10;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;

export class Patience {
  #failures = 0;

  /** Things go well: the next failure is the first again. */
  renew() {
    this.#failures = 0;
  }

  /** Waits after a failure, longer each time, and throws it on when there were too many in a row. */
  async spend(failure: unknown) {
    if (++this.#failures === FAILURES_MAX) throw failure;
    console.error(`[trying again: ${describe(failure)}]`);
    const pause = Math.min(PAUSE_MS * 2 ** this.#failures, PAUSE_MS_MAX);
    // Of a thousand clients that lost the same server, not all come back at the same moment.
    await setTimeout(pause * (0.5 + Math.random() / 2));
  }
}

/** Repeats what can be repeated: a query, or a message that has a client key. */
export async function persist<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const patience = new Patience();
  for (;;) {
    try {
      return await attempt();
    } catch (failure) {
      await patience.spend(failure);
    }
  }
}

/** Libraries throw errors, the close events of sockets, and lists of GraphQL errors. */
function describe(failure: unknown): string {
  if (failure instanceof Error) return failure.message;
  const { code, message } = failure as { code?: number; message?: string };
  return message ?? (code ? `closed with ${code}` : JSON.stringify(failure));
}
