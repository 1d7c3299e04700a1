// Whose chats are shown. Where the server asks for no credential, its caller says so; so does a service.

import { computed, signal } from '@preact/signals';

import { type ViewerQuery, ViewerDocument } from '../generated/operations';
import { token } from './access';
import { ask } from './api';
import { kept } from './storage';

export type UserId = number | string;

const BYTES_MAX = 255;

/** A user id as people type it: digits are a number, anything else is a text. `null` if it is none. */
export function parseUserId(text: string): UserId | null {
  const id = text.trim();
  if (/^-?\d+$/.test(id)) {
    const number = Number(id);
    // JSON in a browser would silently round a larger one, which is somebody else's.
    return Number.isSafeInteger(number) ? number : null;
  }
  const bytes = new TextEncoder().encode(id).length;
  return bytes >= 1 && bytes <= BYTES_MAX ? id : null;
}

/** As it was typed. Empty until somebody types one: then it is whom the server takes us for. */
export const userIdText = kept('user', '', (text): text is string => text === '' || parseUserId(text) !== null);

export const viewer = signal<ViewerQuery['viewer'] | null>(null);

/** Whether it is ours to say whose chats are shown. Unknown before the server has answered. */
export const mayChoose = computed(() => viewer.value && (viewer.value.isAnonymous || viewer.value.isService));

export const userId = computed<UserId | null>(() => {
  const chosen = parseUserId(userIdText.value);
  // With a token, whom we chose before may be somebody we must not act for.
  const isOurs = mayChoose.value ?? token.value === null;
  return (isOurs ? chosen : null) ?? viewer.value?.userId ?? null;
});

export async function loadViewer(): Promise<void> {
  viewer.value = (await ask(ViewerDocument, {})).viewer;
}
