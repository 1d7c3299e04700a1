// What is told besides what is shown: a problem, as an alert; the end of a reply, to those who listen to the page; and
// that anybody can read along.

import { effect, signal } from '@preact/signals';

import { type Problem, problemOf } from './problem';

export const problem = signal<Problem | null>(null);

export const announcement = signal('');

const SEEN = 'colloquy.warning-seen';

/** Whether somebody has put away the warning that the server asks nobody who they are, in this tab. */
export const isWarningSeen = signal(wasSeen());

function wasSeen(): boolean {
  try {
    return sessionStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}

effect(() => {
  if (!isWarningSeen.value) return;
  try {
    sessionStorage.setItem(SEEN, 'yes');
  } catch {
    // It is said again when the page is loaded anew.
  }
});

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
