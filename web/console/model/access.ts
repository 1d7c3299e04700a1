// The token that the server asks for, where it asks for one; and whoever waits until there is one that it takes.
//
// It is kept in the tab alone: no other tab, and no page of tomorrow, finds it.

import { computed, signal } from '@preact/signals';

/** Why nothing can be asked now; null while it can. */
export type Closing = 'missing' | 'over';

const NAME = 'colloquy.token';

export const token = signal<string | null>(before());
export const closing = signal<Closing | null>(null);
export const isOpen = computed(() => closing.value === null);

let waiting: (() => void)[] = [];

function before(): string | null {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

/** For now, and for the page when it is loaded anew. */
export function keepToken(value: string | null): void {
  token.value = value;
  try {
    if (value === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, value);
  } catch {
    // It lasts as long as the page.
  }
}

/** The token to ask with, as soon as asking makes sense; null where none has been asked for. */
export async function entry(): Promise<string | null> {
  // Again, for what came first may have found out that the new one is over as well.
  while (!isOpen.peek()) await new Promise<void>((resolve) => waiting.push(resolve));
  return token.peek();
}

/** The server did not take what was asked with `used`. */
export function refused(used: string | null): void {
  // Told late, of a token that has been replaced since.
  if (!isOpen.peek() || used !== token.peek()) return;
  closing.value = used === null ? 'missing' : 'over';
  keepToken(null);
}

/** The server takes this token: all that waited goes on. */
export function opened(proven: string): void {
  keepToken(proven);
  closing.value = null;
  const [...all] = waiting;
  waiting = [];
  for (const goOn of all) goOn();
}

/** As a header, and as the payload of `connection_init`. */
export const credential = (bearer: string | null): Record<string, string> =>
  bearer === null ? {} : { authorization: `Bearer ${bearer}` };

/** A token as people paste it: with blanks around it, or with the name of its kind. Null if no header can hold it. */
export function parseToken(text: string): string | null {
  const parsed = text.trim().replace(/^bearer\s+/i, '');
  return /^[\x21-\x7e]+$/.test(parsed) ? parsed : null;
}
