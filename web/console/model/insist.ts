// Asking until it is answered. Only for what may be asked twice: it changes nothing more the second time, or carries a
// client key.

import { backOffMs, pause } from './backoff';
import { problemOf } from './problem';

const ATTEMPTS_MAX = 12;

/** Asks again while the problem may pass, and tells of each pause before it begins. */
export async function insist<Result>(
  question: () => Promise<Result>,
  options: { isOver?: AbortSignal; onPause?: () => void } = {},
): Promise<Result> {
  const isOver = options.isOver ?? new AbortController().signal;
  for (let attempt = 0; ; attempt++) {
    try {
      return await question();
    } catch (error) {
      const problem = problemOf(error);
      if (!problem.mayPass || isOver.aborted || attempt + 1 >= ATTEMPTS_MAX) throw problem;
      options.onPause?.();
      await pause(backOffMs(attempt), isOver);
    }
  }
}
