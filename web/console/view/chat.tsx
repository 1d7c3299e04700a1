// The chat that is open.

import { useSignalEffect } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

import { words, wordsFor } from '../language/language';
import { Conversation } from '../model/conversation';
import { current } from '../model/current';
import { announcement, attempt } from '../model/notices';
import { START } from '../model/route';
import { ChatHead } from './chat-head';
import { Composer } from './composer';
import { Log } from './log';
import { endOf } from './reply-end';
import { Skeleton } from './skeleton';

/** As much of a reply as is read out when it has ended; the rest is there to be read. */
const ANNOUNCED_CHARACTERS_MAX = 280;

export function ChatView({ chatId }: { chatId: string }): VNode {
  const [conversation, open] = useState<Conversation | null>(null);
  useEffect(() => {
    const opened = new Conversation(chatId);
    current.value = opened;
    open(opened);
    return () => {
      opened.close();
      current.value = null;
      announcement.value = '';
    };
  }, [chatId]);
  return conversation ? <OpenChat conversation={conversation} /> : <Skeleton kind="messages" count={3} />;
}

function OpenChat({ conversation }: { conversation: Conversation }): VNode {
  const t = words.value;
  const title = conversation.chat.value?.title;
  useEffect(() => {
    document.title = title ? `${title} · ${t.product}` : t.product;
    return () => {
      document.title = t.product;
    };
  }, [title, t]);
  useSignalEffect(() => {
    const message = conversation.lastEnd.value;
    if (!message) return;
    const text = message.text.slice(0, ANNOUNCED_CHARACTERS_MAX);
    announcement.value = words.peek().replyEnded(endOf(message), text);
  });

  const [growing] = conversation.growing.value;
  const stop = growing ? () => void attempt(() => conversation.stop(growing)) : null;
  useLayoutEffect(() => {
    if (!stop) return undefined;
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      stop();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [growing?.id]);

  switch (conversation.standing.value) {
    case 'gone':
    case 'refused':
      return <Closed conversation={conversation} />;
    case 'loading':
      return (
        <div class="chat">
          <Loading conversation={conversation} />
        </div>
      );
    case 'open':
      return (
        <div class="chat">
          <ChatHead conversation={conversation} />
          <Log conversation={conversation} />
          <Composer
            place={conversation.id}
            onSend={(text) => {
              conversation.send(text);
              return true;
            }}
            onType={(isTyping) => conversation.type(isTyping)}
            onStop={stop}
          />
        </div>
      );
  }
}

function Loading({ conversation }: { conversation: Conversation }): VNode {
  const problem = conversation.problem.value;
  return (
    <>
      {problem && (
        <p class="list-note" role="status">
          {wordsFor(problem)}
        </p>
      )}
      <Skeleton kind="messages" count={3} />
    </>
  );
}

function Closed({ conversation }: { conversation: Conversation }): VNode {
  const t = words.value;
  const problem = conversation.problem.value;
  return (
    <div class="start">
      <div class="start-middle">
        <h1>{conversation.standing.value === 'gone' || !problem ? t.gone : wordsFor(problem)}</h1>
        <a class="button primary" href={START}>
          {t.toStart}
        </a>
      </div>
    </div>
  );
}
