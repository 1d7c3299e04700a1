// The chat that is open: it is read, followed, written in and changed.

import { type ReadonlySignal, batch, computed, signal } from '@preact/signals';

import {
  AddReactionDocument,
  type ChatHeadFragment,
  DeleteMessageDocument,
  EditMessageDocument,
  RegenerateReplyDocument,
  RemoveReactionDocument,
  SetTypingDocument,
  StopReplyDocument,
} from '../generated/operations';
import { locale } from '../language/language';
import { ask } from './api';
import {
  type ChatEvent,
  type Message,
  NOTHING,
  OutOfStep,
  type Transcript,
  answered,
  heard,
  isGrowing,
  reread,
  textOf,
  withOlder,
  withoutMessage,
} from './assemble';
import { backOffMs, pause } from './backoff';
import { dropChat, noteChat, noteMessage } from './chats';
import { nextFrame } from './frame';
import { insist } from './insist';
import { Line, type LineState } from './line';
import { attempt } from './notices';
import { type Outgoing, deliver, discard, outbox, post } from './outbox';
import { GONE, readBack, readOlder } from './pages';
import { Problem, problemOf } from './problem';

export type Standing = 'loading' | 'open' | 'gone' | 'refused';

/** How long typing is believed if nothing more is heard; the server forgets it after as long. */
const TYPING_MS = 8_000;
/** How often to say that we still do. */
const TYPING_REPEAT_MS = 3_000;

export class Conversation {
  readonly id: string;
  readonly chat = signal<ChatHeadFragment | null>(null);
  readonly standing = signal<Standing>('loading');
  readonly problem = signal<Problem | null>(null);
  readonly lineState = signal<LineState>('connecting');
  readonly othersType = signal(false);
  readonly isReadingOlder = signal(false);
  /** The end of a reply that we watched. */
  readonly lastEnd = signal<Message | null>(null);

  readonly #shown = signal<Transcript>(NOTHING);
  readonly messages: ReadonlySignal<readonly Message[]> = computed(() => this.#shown.value.messages);
  readonly hasOlder = computed(() => this.#shown.value.older !== null);
  readonly growing = computed(() => this.messages.value.filter(isGrowing));
  /** Those that have not come back as messages yet. */
  readonly pending = computed(() => {
    const keys = new Set(this.messages.value.map((message) => message.clientKey));
    return outbox.value.filter(({ chatId, key }) => chatId === this.id && !keys.has(key));
  });

  #transcript: Transcript = NOTHING;
  readonly #line: Line;
  readonly #closed = new AbortController();
  /** What came since we were told to read the chat; null while there is no such need. */
  #held: ChatEvent[] | null = null;
  #reading = 0;
  #ownTypingSince = 0;
  #typingTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string) {
    this.id = id;
    // For something to be seen at once; what the line tells comes on top.
    void this.#read();
    this.#line = new Line(id, {
      cursor: () => this.#transcript.cursor,
      heard: (event) => this.#heard(event),
      lost: () => {
        this.#transcript = { ...this.#transcript, cursor: null };
      },
      changed: (state) => {
        // What was held belongs to the line that broke; the next one tells it again.
        if (state === 'connecting') this.#held = null;
        this.lineState.value = state;
      },
      refused: (problem) => this.#refused(problem),
    });
  }

  close(): void {
    this.#closed.abort();
    this.#reading++;
    this.#line.close();
    clearTimeout(this.#typingTimer);
    this.type(false);
  }

  retryNow(): void {
    this.#line.hurry();
  }

  /** What a message says now. Read within a computation, it follows the text as it grows. */
  textOf(message: Message): string {
    return textOf(this.#shown.value, message);
  }

  /** Whether a reply has its turn: one that has not says nothing for another reason than one that has. */
  isFirstInLine(message: Message): boolean {
    return this.growing.value[0]?.id === message.id;
  }

  async readOlder(): Promise<void> {
    const { older } = this.#transcript;
    if (older === null || this.isReadingOlder.value) return;
    this.isReadingOlder.value = true;
    const reading = this.#reading;
    await attempt(async () => {
      const page = await readOlder(this.id, older);
      // Since then the chat was read afresh, and this page may no longer fit.
      if (reading === this.#reading) this.#publish(withOlder(this.#transcript, page));
    });
    this.isReadingOlder.value = false;
  }

  /** Reads back until a message is there. Whether it is. */
  async reach(messageId: string): Promise<boolean> {
    const has = (): boolean => this.#transcript.messages.some((message) => message.id === messageId);
    while (!has() && this.#transcript.older !== null && !this.#closed.signal.aborted) {
      const { older } = this.#transcript;
      await this.readOlder();
      if (this.#transcript.older === older) break;
    }
    return has();
  }

  send(text: string): void {
    this.type(false);
    void this.#deliver(post(this.id, text));
  }

  sendAgain(outgoing: Outgoing): void {
    void this.#deliver(outgoing);
  }

  async stop(message: Message): Promise<void> {
    const input = { messageId: message.id };
    const { stopReply } = await insist(() => ask(StopReplyDocument, input), { isOver: this.#closed.signal });
    this.#answered(stopReply.message);
  }

  async regenerate(message: Message): Promise<void> {
    const input = {
      messageId: message.id,
      clientKey: crypto.randomUUID(),
      ...locale(),
    };
    const question = () => ask(RegenerateReplyDocument, { input });
    this.#answered((await insist(question, { isOver: this.#closed.signal })).regenerateReply.reply);
  }

  async edit(message: Message, text: string): Promise<void> {
    this.#answered((await ask(EditMessageDocument, { id: message.id, text })).updateMessage.message);
  }

  async delete(message: Message): Promise<void> {
    await ask(DeleteMessageDocument, { id: message.id });
    this.#publish(withoutMessage(this.#transcript, message.id));
  }

  async react(message: Message, reaction: string | null): Promise<void> {
    const messageId = message.id;
    const changed =
      reaction === null
        ? (await ask(RemoveReactionDocument, { messageId })).removeReaction.message
        : (await ask(AddReactionDocument, { messageId, reaction })).addReaction.message;
    this.#answered(changed);
  }

  /** Tells the chat's other followers that we type, or no longer do. Nobody is told when it fails: it is a courtesy. */
  type(isTyping: boolean): void {
    const now = Date.now();
    if (isTyping ? now - this.#ownTypingSince < TYPING_REPEAT_MS : this.#ownTypingSince === 0) return;
    this.#ownTypingSince = isTyping ? now : 0;
    ask(SetTypingDocument, { chatId: this.id, isTyping }).catch(() => undefined);
  }

  async #deliver(outgoing: Outgoing): Promise<void> {
    const sent = await deliver(outgoing);
    if (!sent) return;
    batch(() => {
      this.#answered(sent.message);
      this.#answered(sent.reply);
      discard(outgoing.key);
    });
  }

  #answered(message: Message): void {
    this.#publish(answered(this.#transcript, message));
  }

  #heard(event: ChatEvent): void {
    if (event.__typename === 'ChatResync') {
      // Told so twice, we still need what came between: of a text it may be the only piece.
      this.#held = [...(this.#held ?? []), event];
      void this.#read();
    } else if (this.#held) {
      this.#held.push(event);
    } else {
      this.#apply(event);
    }
  }

  /** Whether the line can be followed on. */
  #apply(event: ChatEvent): boolean {
    const before = this.#transcript;
    try {
      this.#transcript = heard(before, event);
    } catch (error) {
      if (!(error instanceof OutOfStep)) throw error;
      this.#transcript = { ...before, cursor: null };
      this.#line.restart();
      return false;
    }
    this.#tell(before, event);
    return true;
  }

  #tell(before: Transcript, event: ChatEvent): void {
    switch (event.__typename) {
      case 'ReplyPartial':
        return nextFrame(this.#show);
      case 'ReplySnapshot':
      case 'MessageAdded':
        noteMessage(this.id, event.message);
        break;
      case 'ReplyFinished':
        noteMessage(this.id, event.message);
        if (before.growing.has(event.message.id)) this.lastEnd.value = event.message;
        break;
      case 'ChatUpdated':
        this.chat.value = event.chat;
        noteChat(event.chat);
        break;
      case 'ChatDeleted':
        this.#refused(new Problem(GONE));
        break;
      case 'TypingChanged':
        this.#heardTyping(event.typing.isTyping);
        break;
    }
    this.#show();
  }

  #heardTyping(isTyping: boolean): void {
    clearTimeout(this.#typingTimer);
    // Without credentials all pages are one user: what we said ourselves comes back to us.
    this.othersType.value = isTyping && Date.now() - this.#ownTypingSince > TYPING_MS;
    if (isTyping) this.#typingTimer = setTimeout(() => (this.othersType.value = false), TYPING_MS);
  }

  /** Reads the chat as far back as it was read before, until it works. */
  async #read(): Promise<void> {
    const reading = ++this.#reading;
    for (let attempt = 0; reading === this.#reading; attempt++) {
      try {
        const { chat, page } = await readBack(this.id, this.#transcript.messages[0] ?? null);
        if (reading === this.#reading) this.#haveRead(chat, reread(this.#transcript, page));
        return;
      } catch (error) {
        const problem = problemOf(error);
        if (reading !== this.#reading) return;
        if (!problem.mayPass) return this.#refused(problem);
        this.problem.value = problem;
        await pause(backOffMs(attempt), this.#closed.signal);
      }
    }
  }

  #haveRead(chat: ChatHeadFragment, transcript: Transcript): void {
    batch(() => {
      this.chat.value = chat;
      this.problem.value = null;
      this.standing.value = 'open';
      noteChat(chat);
      this.#publish(transcript);
      const held = this.#held ?? [];
      this.#held = null;
      held.every((event) => this.#apply(event));
    });
  }

  #refused(problem: Problem): void {
    const isGone = problem.code === GONE;
    if (isGone) dropChat(this.id);
    this.problem.value = problem;
    this.standing.value = isGone ? 'gone' : 'refused';
    this.close();
  }

  #publish(transcript: Transcript): void {
    this.#transcript = transcript;
    this.#show();
  }

  readonly #show = (): void => {
    this.#shown.value = this.#transcript;
  };
}
