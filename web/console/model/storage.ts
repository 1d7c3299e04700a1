// What the browser keeps for us. It may refuse to (private windows, full disks); then a choice lasts as long as the
// page.

import { effect, type Signal, signal } from '@preact/signals';

export function kept<Value extends string>(
  key: string,
  fallback: Value,
  isValid: (value: string) => value is Value,
): Signal<Value> {
  const name = `colloquy.${key}`;
  let before: string | null = null;
  try {
    before = localStorage.getItem(name);
  } catch {
    // As if nothing had been kept.
  }
  const value = signal(before !== null && isValid(before) ? before : fallback);
  let isFirst = true;
  effect(() => {
    const now = value.value;
    // Only choices are kept: what was merely guessed may be guessed better next time.
    if (isFirst) return void (isFirst = false);
    try {
      localStorage.setItem(name, now);
    } catch {
      // It lasts as long as the page.
    }
  });
  return value;
}

const OURS = 'colloquy.';

/** Forgets what is kept for the tab: what was typed, and what is on its way. */
export function forgetTab(): void {
  try {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith(OURS)) sessionStorage.removeItem(name);
  } catch {
    // Nothing was kept.
  }
}
