// Messages on their way. Each has a key of its own and is sent again under it until the server has it: whatever breaks
// meanwhile, it is stored once. They outlive the chat's being closed, and the page's being loaded anew.

import { effect, signal } from '@preact/signals';

import { SendMessageDocument, type SendMessageMutation } from '../generated/operations';
import { locale } from '../language/language';
import { ask } from './api';
import { insist } from './insist';
import { type Problem, problemOf } from './problem';

export interface Outgoing {
  readonly key: string;
  readonly chatId: string;
  readonly text: string;
  readonly state: 'sending' | 'waiting' | 'refused';
  readonly problem: Problem | null;
}

const NAME = 'colloquy.outbox';

export const outbox = signal<readonly Outgoing[]>(leftBehind());

/** What this tab had not sent yet when it was left. */
function leftBehind(): Outgoing[] {
  try {
    const left = JSON.parse(sessionStorage.getItem(NAME) ?? '[]') as Pick<Outgoing, 'key' | 'chatId' | 'text'>[];
    return left.map(({ key, chatId, text }) => ({ key, chatId, text, state: 'waiting', problem: null }));
  } catch {
    return [];
  }
}

effect(() => {
  const left = outbox.value.map(({ key, chatId, text }) => ({ key, chatId, text }));
  try {
    sessionStorage.setItem(NAME, JSON.stringify(left));
  } catch {
    // It lasts as long as the page.
  }
});

export function post(chatId: string, text: string): Outgoing {
  const outgoing: Outgoing = { key: crypto.randomUUID(), chatId, text, state: 'sending', problem: null };
  outbox.value = [...outbox.value, outgoing];
  return outgoing;
}

/** Sends until it has arrived. Null if it was refused, which its state then says. */
export async function deliver({ key, chatId, text }: Outgoing): Promise<SendMessageMutation['sendMessage'] | null> {
  change(key, { state: 'sending', problem: null });
  const input = { chatId, text, clientKey: key, ...locale() };
  try {
    const question = () => ask(SendMessageDocument, { input });
    return (await insist(question, { onPause: () => change(key, { state: 'waiting' }) })).sendMessage;
  } catch (error) {
    change(key, { state: 'refused', problem: problemOf(error) });
    return null;
  }
}

export function discard(key: string): void {
  outbox.value = outbox.value.filter((outgoing) => outgoing.key !== key);
}

function change(key: string, how: Partial<Outgoing>): void {
  outbox.value = outbox.value.map((outgoing) => (outgoing.key === key ? { ...outgoing, ...how } : outgoing));
}

/** Goes on with what was left behind. The chat tells of its arrival, when it is open. */
export function resumeOutbox(): void {
  for (const outgoing of outbox.value) {
    void deliver(outgoing).then((sent) => {
      if (sent) discard(outgoing.key);
    });
  }
}
