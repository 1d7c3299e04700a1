// Following a chat over a socket that may break at any time. Each time it does, the chat is followed on from the last
// cursor, after a pause that grows while nothing is heard.

import { createClient, type Client } from 'graphql-ws/client';

import { FollowChatDocument, type FollowChatSubscription } from '../generated/operations';
import { credential, entry, isOpen, refused, token } from './access';
import type { ChatEvent } from './assemble';
import { backOffMs, pause } from './backoff';
import { Problem } from './problem';

export type LineState = 'connecting' | 'open' | 'waiting';

export interface Listener {
  /** The place to go on after; null to begin anew. */
  cursor(): string | null;
  heard(event: ChatEvent): void;
  /** The cursor leads nowhere: it is to be forgotten. */
  lost(): void;
  changed(state: LineState): void;
  /** The server will not let us follow, now or later. */
  refused(problem: Problem): void;
}

const PING_MS = 10_000;
const PONG_MS_MAX = 5_000;

/** Close codes after which the same would happen again (docs/errors.md). */
const FINAL_CODES = new Set([4400, 4401, 4409, 4429]);
/** The close code where the token is missing, not valid, or valid no longer. */
const FORBIDDEN_CODE = 4403;

/** Why one subscription ended. */
type End = { kind: 'broken' } | { kind: 'refused'; problem: Problem };

let client: Client | undefined;
/** What the socket was opened with. */
let shown: string | null = null;

/** One socket for the page, open while something is followed. We try again by ourselves: only we know the cursor. */
function socket(): Client {
  return (client ??= makeClient());
}

function makeClient(): Client {
  const address = new URL('/graphql', location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  let missing: ReturnType<typeof setTimeout> | undefined;
  const made = createClient({
    url: address.href,
    retryAttempts: 0,
    keepAlive: PING_MS,
    connectionParams: () => {
      shown = token.peek();
      return credential(shown);
    },
    on: {
      ping: (isReceived) => {
        // A line that is dead without having been closed would otherwise be believed for minutes.
        if (!isReceived) missing = setTimeout(() => made.terminate(), PONG_MS_MAX);
      },
      pong: () => clearTimeout(missing),
      closed: () => clearTimeout(missing),
    },
  });
  return made;
}

export class Line {
  readonly #chatId: string;
  readonly #listener: Listener;
  #isOver = false;
  #hurry = new AbortController();
  #unsubscribe: () => void = () => undefined;

  constructor(chatId: string, listener: Listener) {
    this.#chatId = chatId;
    this.#listener = listener;
    void this.#run();
  }

  /** Ends this subscription, and begins another at once. */
  restart(): void {
    this.hurry();
    this.#unsubscribe();
  }

  /** Tries now instead of after the pause. */
  hurry(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  close(): void {
    this.#isOver = true;
    this.restart();
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#isOver; attempt++) {
      await entry();
      if (this.#isOver) return;
      this.#listener.changed('connecting');
      const hurry = this.#hurry.signal;
      const end = await this.#followOnce(() => {
        attempt = 0;
      });
      if (this.#isOver) return;
      if (end.kind === 'refused' && !end.problem.mayPass) {
        if (end.problem.code !== 'INVALID_CURSOR') return this.#listener.refused(end.problem);
        this.#listener.lost();
      }
      // Whoever has signed in again need not wait as well.
      if (hurry.aborted || !isOpen.peek()) continue;
      this.#listener.changed('waiting');
      await pause(backOffMs(attempt), hurry);
    }
  }

  #followOnce(onOpen: () => void): Promise<End> {
    return new Promise((resolve) => {
      const opened = socket().on('connected', () => this.#opened(onOpen));
      let isSettled = false;
      const settle = (end: End): void => {
        isSettled = true;
        opened();
        resolve(end);
      };
      const variables = { id: this.#chatId, after: this.#listener.cursor() };
      const unsubscribe = socket().subscribe<FollowChatSubscription>(
        { query: FollowChatDocument.toString(), variables },
        {
          next: ({ data, errors }) => {
            if (isSettled) return;
            if (data) return this.#take(data.chat, onOpen);
            unsubscribe();
            settle(endOf(errors));
          },
          error: (error) => settle(endOf(error)),
          // The server ends it by itself only where the chat was deleted, and then we are closed.
          complete: () => settle({ kind: 'broken' }),
        },
      );
      this.#unsubscribe = () => {
        settle({ kind: 'broken' });
        unsubscribe();
      };
    });
  }

  #opened(onOpen: () => void): void {
    onOpen();
    this.#listener.changed('open');
  }

  #take(event: ChatEvent, onOpen: () => void): void {
    this.#opened(onOpen);
    this.#listener.heard(event);
  }
}

function endOf(error: unknown): End {
  if (Array.isArray(error)) {
    const [first] = error as { message: string; extensions?: { code?: string } }[];
    return { kind: 'refused', problem: new Problem(first?.extensions?.code ?? 'INTERNAL', first?.message) };
  }
  const code = error instanceof CloseEvent ? error.code : 0;
  if (code === FORBIDDEN_CODE) refused(shown);
  return FINAL_CODES.has(code) ? { kind: 'refused', problem: new Problem('BAD_REQUEST') } : { kind: 'broken' };
}
