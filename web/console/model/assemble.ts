// What a page has of a chat, and what each event makes of it. The whole of it is pure: the same events make the same
// transcript, whatever came between them — a lost line, a reload, another tab.
//
// A growing reply is heard of from two sides. The text of a query is what the last checkpoint stored, the text of the
// subscription is what was said. They are kept apart: only snapshots and partials touch `growing`, and it is what is
// shown until the reply has ended. So no order of answers and events can lose, double or reorder a character.

import type { FollowChatSubscription, MessagePartsFragment } from '../generated/operations';

export type Message = MessagePartsFragment;
export type ChatEvent = FollowChatSubscription['chat'];

export interface Transcript {
  /** Oldest first, without a hole. */
  readonly messages: readonly Message[];
  /** The text of each reply under way, as it was heard. */
  readonly growing: ReadonlyMap<string, string>;
  /** What was deleted while we looked on: an answer that was under way must not bring it back. */
  readonly gone: ReadonlySet<string>;
  /** The place behind the last event. */
  readonly cursor: string | null;
  /** Where the page before the oldest message begins; null if there is none. */
  readonly older: string | null;
}

/** A page of messages, as a query answers it. */
export interface Page {
  readonly messages: readonly Message[];
  readonly older: string | null;
}

/** A piece came of a text whose beginning we do not have. Only following the chat anew can put that right. */
export class OutOfStep extends Error {}

export const NOTHING: Transcript = {
  messages: [],
  growing: new Map(),
  gone: new Set(),
  cursor: null,
  older: null,
};

export const isGrowing = (message: Message): boolean => message.reply?.state === 'STREAMING';

/** What a message says by all we know. */
export function textOf(transcript: Transcript, message: Message): string {
  return (isGrowing(message) ? transcript.growing.get(message.id) : undefined) ?? message.text;
}

/** The transcript after an event of the chat. `ChatResync` only moves the cursor: reading is the caller's part. */
export function heard(transcript: Transcript, event: ChatEvent): Transcript {
  const next = { ...transcript, cursor: event.cursor };
  switch (event.__typename) {
    case 'MessageAdded':
    case 'MessageUpdated':
      return placed(next, event.message, latest);
    case 'MessageDeleted':
      return withoutMessage(next, event.messageId);
    case 'ReplySnapshot':
      return placed({ ...next, growing: grown(next, event.message.id, event.text) }, event.message, latest);
    case 'ReplyPartial': {
      if (next.gone.has(event.messageId)) return next;
      const before = next.growing.get(event.messageId);
      if (before === undefined) throw new OutOfStep(event.messageId);
      return { ...next, growing: grown(next, event.messageId, before + event.text) };
    }
    case 'ReplyFinished':
      return placed({ ...next, growing: ended(next, event.message.id) }, event.message, latest);
    default:
      return next;
  }
}

/** The transcript with a message that a mutation answered. It may be older than what the events told since. */
export function answered(transcript: Transcript, message: Message): Transcript {
  return placed(transcript, message, (ours, theirs) =>
    theirs.updatedAt < ours.updatedAt ? ours : latest(ours, theirs),
  );
}

/** The transcript with the page before its oldest message. */
export function withOlder(transcript: Transcript, page: Page): Transcript {
  const known = new Set(transcript.messages.map((message) => message.id));
  const older = page.messages.filter((message) => !known.has(message.id) && !transcript.gone.has(message.id));
  return { ...transcript, messages: [...older, ...transcript.messages].sort(byCreation), older: page.older };
}

/** The transcript read afresh. What is no longer there was deleted while nobody told us; growing text stays. */
export function reread(transcript: Transcript, page: Page): Transcript {
  const before = new Map(transcript.messages.map((message) => [message.id, message]));
  const messages = page.messages
    .filter((message) => !transcript.gone.has(message.id))
    .map((message) => latest(before.get(message.id) ?? message, message));
  return { ...transcript, messages, older: page.older };
}

export function withoutMessage(transcript: Transcript, id: string): Transcript {
  return {
    ...transcript,
    messages: transcript.messages.filter((message) => message.id !== id),
    growing: ended(transcript, id),
    gone: new Set([...transcript.gone, id]),
  };
}

function placed(
  transcript: Transcript,
  message: Message,
  choose: (ours: Message, theirs: Message) => Message,
): Transcript {
  if (transcript.gone.has(message.id)) return transcript;
  const { messages, older } = transcript;
  const place = messages.findIndex((other) => other.id === message.id);
  if (place >= 0) {
    return { ...transcript, messages: messages.with(place, choose(messages[place]!, message)) };
  }
  // It belongs to a page that was not read yet; alone it would stand before a hole.
  const oldest = messages[0];
  if (older !== null && oldest && byCreation(message, oldest) < 0) return transcript;
  return { ...transcript, messages: [...messages, message].sort(byCreation) };
}

/** An end is never taken back: what says that a reply still grows is older. */
function latest(ours: Message, theirs: Message): Message {
  return isGrowing(theirs) && !isGrowing(ours) ? ours : theirs;
}

/** The order in which the server pages through a chat. Its moments all have the same length. */
function byCreation(one: Message, other: Message): number {
  const [a, b] = one.createdAt === other.createdAt ? [one.id, other.id] : [one.createdAt, other.createdAt];
  return a < b ? -1 : a > b ? 1 : 0;
}

function grown(transcript: Transcript, id: string, text: string): ReadonlyMap<string, string> {
  return new Map(transcript.growing).set(id, text);
}

function ended(transcript: Transcript, id: string): ReadonlyMap<string, string> {
  const growing = new Map(transcript.growing);
  growing.delete(id);
  return growing;
}
