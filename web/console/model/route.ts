// Where we are, in the part of the address behind the hash: it outlives a reload, and the browser's back button works.

import { signal } from '@preact/signals';

export interface Route {
  /** The chat that is open, or null for the start. */
  readonly chatId: string | null;
  /** A message to go to. */
  readonly messageId: string | null;
}

const ADDRESS = /^#\/chats\/([0-9a-f]{24})(?:\/([0-9a-f]{24}))?$/;

export function parseRoute(hash: string): Route {
  const [, chatId = null, messageId = null] = ADDRESS.exec(hash) ?? [];
  return { chatId, messageId };
}

export function addressOf(chatId: string, messageId?: string): string {
  return messageId ? `#/chats/${chatId}/${messageId}` : `#/chats/${chatId}`;
}

export const START = '#/';

export const route = signal(parseRoute(location.hash));

addEventListener('hashchange', () => {
  route.value = parseRoute(location.hash);
});

export function go(address: string): void {
  location.hash = address;
}
