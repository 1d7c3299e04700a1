// Where we are, in the part of the address behind the hash: it outlives a reload, and the browser's back button works.

import { signal } from '@preact/signals';

import { type MoveFocus, moveFocusLater } from './focus';

/** One visit to an address: a new one even if the address is the same. */
export interface Route {
  /** The chat that is open, or null for the start. */
  readonly chatId: string | null;
  /** A message to go to. */
  readonly messageId: string | null;
  /** Whether the field for messages gets the focus. */
  readonly isToWrite: boolean;
  /** Moves the focus to what the visit is for, however late that is drawn. */
  readonly moveFocus: MoveFocus;
}

const ADDRESS = /^#\/chats\/([0-9a-f]{24})(?:\/([0-9a-f]{24}))?$/;

/** On a phone the keyboard would cover what one came to read. */
const HAS_KEYBOARD = matchMedia('(pointer: fine)');

export function addressOf(chatId: string, messageId?: string): string {
  return messageId ? `#/chats/${chatId}/${messageId}` : `#/chats/${chatId}`;
}

export const START = '#/';

let visited = location.hash;

export const route = signal(visit());

addEventListener('hashchange', () => {
  // `go` has been there already.
  if (location.hash !== visited) route.value = visit();
});

interface Visit {
  isToWrite?: boolean;
  /** From before a wait, if one came before this. */
  moveFocus?: MoveFocus;
}

export function go(address: string, how: Visit = {}): void {
  location.hash = address;
  route.value = visit(how);
}

function visit({ isToWrite, moveFocus = moveFocusLater() }: Visit = {}): Route {
  visited = location.hash;
  const [, chatId = null, messageId = null] = ADDRESS.exec(visited) ?? [];
  return { chatId, messageId, isToWrite: isToWrite ?? (HAS_KEYBOARD.matches && messageId === null), moveFocus };
}
