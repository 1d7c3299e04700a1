import { describe, expect, test } from 'vitest';

import type { ReplyState } from '../generated/operations';
import {
  type ChatEvent,
  type Message,
  NOTHING,
  OutOfStep,
  type Transcript,
  answered,
  heard,
  reread,
  textOf,
  withOlder,
} from './assemble';

const hex = (number: number): string => number.toString(16).padStart(24, '0');

function message(number: number, changes: Partial<Message> = {}): Message {
  const moment = new Date(number * 1000).toISOString();
  return {
    __typename: 'Message',
    id: hex(number),
    author: 'USER',
    text: `message ${number}`,
    type: 'text',
    reaction: null,
    isEdited: false,
    createdAt: moment,
    updatedAt: moment,
    clientKey: null,
    reply: null,
    ...changes,
  };
}

function reply(number: number, state: ReplyState, text: string): Message {
  const parts = { model: 'builtin', error: null, regenerates: null, usage: null };
  return message(number, { author: 'BOT', text, reply: { __typename: 'Reply', state, ...parts } });
}

let cursors = 0;
const cursor = (): string => `cursor ${++cursors}`;
const snapshot = (of: Message, text: string): ChatEvent => ({
  __typename: 'ReplySnapshot',
  cursor: cursor(),
  text,
  message: of,
});
const partial = (messageId: string, text: string): ChatEvent => ({
  __typename: 'ReplyPartial',
  cursor: cursor(),
  messageId,
  text,
});
const finished = (of: Message): ChatEvent => ({ __typename: 'ReplyFinished', cursor: cursor(), message: of });
const added = (of: Message): ChatEvent => ({ __typename: 'MessageAdded', cursor: cursor(), message: of });
const deleted = (messageId: string): ChatEvent => ({ __typename: 'MessageDeleted', cursor: cursor(), messageId });

const after = (events: ChatEvent[], from: Transcript = NOTHING): Transcript => events.reduce(heard, from);
const shown = (transcript: Transcript): string[] =>
  transcript.messages.map((message) => textOf(transcript, message));

describe('a growing reply', () => {
  const begun = reply(2, 'STREAMING', '');

  test('is what its snapshot says, and each piece behind it', () => {
    const transcript = after([snapshot(begun, 'स'), partial(begun.id, 'मु'), partial(begun.id, 'द्र 🌊')]);
    expect(shown(transcript)).toEqual(['समुद्र 🌊']);
  });

  test('is replaced by another snapshot', () => {
    const transcript = after([snapshot(begun, 'shown too much'), snapshot(begun, 'shown'), partial(begun.id, '!')]);
    expect(shown(transcript)).toEqual(['shown!']);
  });

  test('is not changed by a query, whose text is that of the last checkpoint', () => {
    let transcript = after([snapshot(begun, 'one two')]);
    transcript = reread(transcript, { messages: [reply(2, 'STREAMING', 'one')], older: null });
    transcript = answered(transcript, reply(2, 'STREAMING', 'one'));
    transcript = heard(transcript, partial(begun.id, ' three'));
    expect(shown(transcript)).toEqual(['one two three']);
  });

  test('is in the end what is stored', () => {
    const transcript = after([
      snapshot(begun, 'on'),
      partial(begun.id, 'e'),
      finished(reply(2, 'COMPLETE', 'one')),
    ]);
    expect(shown(transcript)).toEqual(['one']);
    expect(transcript.growing.size).toBe(0);
  });

  test('that has ended does not grow again for what is heard late', () => {
    const end = reply(2, 'STOPPED', 'one');
    const read = reread(NOTHING, { messages: [end], older: null });
    const transcript = after([snapshot(begun, 'o'), partial(begun.id, 'n')], answered(read, begun));
    expect(transcript.messages).toEqual([end]);
    expect(shown(heard(transcript, finished(end)))).toEqual(['one']);
  });

  test('without its beginning is a reason to begin anew', () => {
    expect(() => after([partial(begun.id, 'lost')])).toThrow(OutOfStep);
  });

  test('that was deleted is gone, with what still comes of it', () => {
    const transcript = after([snapshot(begun, 'one'), deleted(begun.id), partial(begun.id, ' two')]);
    expect(transcript.messages).toEqual([]);
    expect(shown(answered(transcript, begun))).toEqual([]);
  });
});

describe('messages', () => {
  test('stand in the order of their moments, whatever order they are heard in', () => {
    const transcript = after([added(message(3)), added(message(1)), added(message(2))]);
    expect(transcript.messages.map(({ id }) => id)).toEqual([hex(1), hex(2), hex(3)]);
  });

  test('of one moment stand in the order of their ids', () => {
    const createdAt = message(1).createdAt;
    const transcript = after([added(message(9, { createdAt })), added(message(8, { createdAt }))]);
    expect(transcript.messages.map(({ id }) => id)).toEqual([hex(8), hex(9)]);
  });

  test('are there once, however often they are heard of', () => {
    let transcript = after([added(message(1)), added(message(1))]);
    transcript = answered(transcript, message(1));
    transcript = withOlder(transcript, { messages: [message(1)], older: null });
    expect(transcript.messages).toHaveLength(1);
  });

  test('of a page that was not read do not stand before a hole', () => {
    const read = reread(NOTHING, { messages: [message(5)], older: 'before 5' });
    const event = { __typename: 'MessageUpdated', cursor: cursor(), message: message(2, { reaction: '👍' }) } as const;
    const transcript = heard(read, event);
    expect(transcript.messages.map(({ id }) => id)).toEqual([hex(5)]);
    const whole = withOlder(transcript, { messages: [message(2), message(3)], older: null });
    expect(whole.messages.map(({ id }) => id)).toEqual([hex(2), hex(3), hex(5)]);
  });

  test('that an answer brings late do not undo what was heard since', () => {
    const later = message(1, { text: 'second', updatedAt: message(9).updatedAt });
    const transcript = answered(after([added(later)]), message(1, { text: 'first' }));
    expect(shown(transcript)).toEqual(['second']);
  });

  test('that are no longer there when the chat is read again are gone', () => {
    const transcript = reread(after([added(message(1)), added(message(2))]), { messages: [message(2)], older: null });
    expect(transcript.messages.map(({ id }) => id)).toEqual([hex(2)]);
  });

  test('each move the cursor', () => {
    const event = added(message(1));
    expect(after([event]).cursor).toBe(event.cursor);
  });
});

describe('a line that breaks anywhere', () => {
  /** mulberry32: a failing seed fails again. */
  function chances(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let bits = Math.imul(state ^ (state >>> 15), 1 | state);
      bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
      return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
    };
  }

  const TEXT = Array.from({ length: 200 }, (_, number) => `${number} समुद्र 🌊`).join('\n');
  const characters = Array.from(TEXT);

  test.each(Array.from({ length: 50 }, (_, seed) => seed))('loses, doubles and reorders nothing (seed %i)', (seed) => {
    const chance = chances(seed);
    const begun = reply(2, 'STREAMING', '');
    let transcript = NOTHING;
    let told = 0;
    let hasBeginning = false;
    while (told < characters.length) {
      const luck = chance();
      const stored = characters.slice(0, Math.floor(told * chance())).join('');
      if (luck < 0.1) {
        // The chat is read again in the middle: the store is behind.
        transcript = reread(transcript, { messages: [reply(2, 'STREAMING', stored)], older: null });
      } else if (luck < 0.2) {
        // The server forgot the cursor, and may have forgotten the end of what it showed.
        told = Math.max(0, told - Math.floor(chance() * 30));
        transcript = heard(transcript, snapshot(begun, characters.slice(0, told).join('')));
        hasBeginning = true;
      } else if (luck < 0.3) {
        transcript = answered(transcript, reply(2, 'STREAMING', stored));
      } else if (hasBeginning) {
        const piece = characters.slice(told, told + 1 + Math.floor(chance() * 40));
        told += piece.length;
        transcript = heard(transcript, partial(begun.id, piece.join('')));
      }
      if (hasBeginning) expect(shown(transcript)).toEqual([characters.slice(0, told).join('')]);
    }
    transcript = heard(transcript, finished(reply(2, 'COMPLETE', TEXT)));
    expect(shown(transcript)).toEqual([TEXT]);
  });
});
