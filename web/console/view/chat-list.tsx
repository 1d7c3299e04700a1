import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { ChatSummaryFragment } from '../generated/operations';
import { shortMoment } from '../language/dates';
import { words, wordsFor } from '../language/language';
import { chatList, chatListProblem, moreChats, refreshChats } from '../model/chats';
import { attempt } from '../model/notices';
import { addressOf, route } from '../model/route';
import { Skeleton } from './skeleton';

export function ChatList(): VNode {
  const t = words.value;
  const [isBusy, setBusy] = useState(false);
  const list = chatList.value;
  if (list === null) {
    const problem = chatListProblem.value;
    if (!problem) return <Skeleton kind="list" count={5} />;
    return (
      <div class="list-note" role="status">
        <p>{wordsFor(problem)}</p>
        <button type="button" class="button" onClick={() => void refreshChats()}>
          {t.tryAgain}
        </button>
      </div>
    );
  }
  if (list.chats.length === 0) return <p class="list-note">{t.noChats}</p>;
  const more = async (): Promise<void> => {
    setBusy(true);
    await attempt(moreChats);
    setBusy(false);
  };
  return (
    <>
      <ul class="chats">
        {list.chats.map((chat) => (
          <li key={chat.id}>
            <a
              class="chat-link"
              href={addressOf(chat.id)}
              aria-current={route.value.chatId === chat.id ? 'page' : undefined}
            >
              <span class="chat-link-top">
                <span class="chat-link-title">{chat.title}</span>
                <time dateTime={chat.updatedAt}>{shortMoment(chat.updatedAt)}</time>
              </span>
              <span class="chat-link-words">{lastWords(chat)}</span>
            </a>
          </li>
        ))}
      </ul>
      {list.next && (
        <button type="button" class="button more" disabled={isBusy} onClick={more}>
          {t.moreChats}
        </button>
      )}
    </>
  );
}

/** What was said last, and no more of it than a line can show. */
function lastWords({ lastMessage }: ChatSummaryFragment): string {
  const { you, noWords } = words.value;
  if (!lastMessage) return noWords;
  const text = lastMessage.text.slice(0, 160).replace(/\s+/g, ' ');
  return lastMessage.author === 'BOT' ? text : `${you}: ${text}`;
}
