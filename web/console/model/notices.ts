// What is told besides what is shown: a problem, as an alert; the end of a reply, to those who listen to the page.

import { signal } from '@preact/signals';

import { type Problem, problemOf } from './problem';

export const problem = signal<Problem | null>(null);

export const announcement = signal('');

/** Runs what somebody asked for; if it fails they are told why. Whether it worked. */
export async function attempt(action: () => Promise<void>): Promise<boolean> {
  try {
    await action();
    problem.value = null;
    return true;
  } catch (error) {
    problem.value = problemOf(error);
    return false;
  }
}
