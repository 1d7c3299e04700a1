// The messages of a chat, and where one is among them.

import type { VNode } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { words } from '../language/language';
import type { Conversation } from '../model/conversation';
import { route } from '../model/route';
import { Icon } from './icons';
import { MessageView } from './message';
import { PendingView } from './pending';

/** As near to the end as still counts as being there. */
const END_PX = 64;
/** How far before the top the next page is asked for. */
const AHEAD = '400px 0px 0px 0px';

export function Log({ conversation }: { conversation: Conversation }): VNode {
  const t = words.value;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const messages = conversation.messages.value;
  const pending = conversation.pending.value;
  const [isAtEnd, setAtEnd] = useState(true);
  const follows = useRef(true);
  const scrolledTo = useRef(0);
  const toEnd = useCallback(() => {
    const place = scroller.current!;
    place.scrollTop = place.scrollHeight;
    // Noted at once: what the browser tells of it comes when there may be more text.
    scrolledTo.current = place.scrollTop;
  }, []);
  useOlder(conversation, scroller, messages[0]?.id);
  useEnd(scroller, content, follows, toEnd);
  useReached(conversation, content, follows);

  // Whoever sends wants to see it, wherever they were.
  useLayoutEffect(() => {
    if (pending.length === 0) return;
    follows.current = true;
    toEnd();
  }, [pending.length]);

  const replaced = new Set(messages.map((message) => message.reply?.regenerates?.id));
  const isEmpty = messages.length === 0 && pending.length === 0;
  return (
    <div class="log-place">
      <div
        ref={scroller}
        class="log"
        role="region"
        aria-label={t.conversation}
        tabIndex={0}
        onScroll={({ currentTarget: place }) => {
          const isThere = place.scrollHeight - place.scrollTop - place.clientHeight < END_PX;
          // Text may have grown since the scroll that this tells of: only who went up has left the end.
          if (isThere) follows.current = true;
          else if (place.scrollTop < scrolledTo.current) follows.current = false;
          scrolledTo.current = place.scrollTop;
          setAtEnd(follows.current);
        }}
      >
        <div ref={content} class="log-content">
          <Beginning conversation={conversation} scroller={scroller} isEmpty={isEmpty} />
          <ol class="messages">
            {messages.map((message) => (
              <MessageView
                key={message.id}
                conversation={conversation}
                message={message}
                isReplaced={replaced.has(message.id)}
              />
            ))}
            {pending.map((outgoing) => (
              <PendingView key={outgoing.key} conversation={conversation} outgoing={outgoing} />
            ))}
          </ol>
          <p class="typing" role="status">
            {conversation.othersType.value && t.othersType}
          </p>
        </div>
      </div>
      {!isAtEnd && (
        <button
          type="button"
          class="round-button to-latest"
          aria-label={t.toLatest}
          title={t.toLatest}
          onClick={() => {
            follows.current = true;
            toEnd();
          }}
        >
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

type Place = { readonly current: HTMLDivElement | null };

/** What is read stays where it is when older messages come in above it. */
function useOlder(conversation: Conversation, scroller: Place, oldest: string | undefined): void {
  const before = useRef({ oldest, height: 0 });
  // Before they are drawn, the height is still the old one.
  if (scroller.current && before.current.oldest === oldest) before.current.height = scroller.current.scrollHeight;
  useLayoutEffect(() => {
    const place = scroller.current!;
    if (before.current.oldest !== undefined && before.current.oldest !== oldest) {
      place.scrollTop += place.scrollHeight - before.current.height;
    }
    before.current = { oldest, height: place.scrollHeight };
  }, [oldest, conversation]);
}

/** Whoever is at the end stays there while the text grows. */
function useEnd(scroller: Place, content: Place, follows: { current: boolean }, toEnd: () => void): void {
  useLayoutEffect(() => {
    const keep = (): void => {
      if (follows.current) toEnd();
    };
    keep();
    const observer = new ResizeObserver(keep);
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
}

/** Goes to the message that the address names. */
function useReached(conversation: Conversation, content: Place, follows: { current: boolean }): void {
  const { messageId, moveFocus } = route.value;
  useEffect(() => {
    if (messageId === null) return;
    follows.current = false;
    void conversation.reach(messageId).then((isThere) => {
      if (!isThere) return;
      requestAnimationFrame(() => {
        const message = content.current?.querySelector<HTMLElement>(`[data-message="${messageId}"]`);
        message?.scrollIntoView({ block: 'center' });
        moveFocus(message, { preventScroll: true });
      });
    });
  }, [messageId, conversation]);
}

interface BeginningProperties {
  conversation: Conversation;
  scroller: Place;
  isEmpty: boolean;
}

function Beginning({ conversation, scroller, isEmpty }: BeginningProperties): VNode {
  const t = words.value;
  const button = useRef<HTMLButtonElement>(null);
  const hasOlder = conversation.hasOlder.value;
  const isBusy = conversation.isReadingOlder.value;
  useEffect(() => {
    if (!hasOlder || isBusy) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void conversation.readOlder();
      },
      { root: scroller.current, rootMargin: AHEAD },
    );
    observer.observe(button.current!);
    return () => observer.disconnect();
  }, [hasOlder, isBusy]);
  if (isEmpty) return <p class="log-note inviting">{t.emptyChat}</p>;
  if (!hasOlder) return <p class="log-note">{t.beginning}</p>;
  return (
    <button
      ref={button}
      type="button"
      class="button more"
      aria-disabled={isBusy}
      onClick={() => void conversation.readOlder()}
    >
      {isBusy ? t.loading : t.loadOlder}
    </button>
  );
}
