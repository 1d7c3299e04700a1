// How long to wait before trying again: longer each time, and by chance, so that the pages that a server lost at once
// do not all come back at once.

const FIRST_MS = 300;
const LONGEST_MS = 10_000;

export function backOffMs(attempt: number, chance: number = Math.random()): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return Math.round(longest * (0.5 + chance / 2));
}

/** Waits, but no longer than until something says that it may go better now: the network is back, or `hurry` aborts. */
export function pause(milliseconds: number, hurry: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      removeEventListener('online', over);
      hurry.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    addEventListener('online', over);
    hurry.addEventListener('abort', over);
    if (hurry.aborted) over();
  });
}
