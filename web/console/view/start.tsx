// Where no chat is open: the first message makes one.

import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import { words } from '../language/language';
import { createChat } from '../model/chats';
import { moveFocusLater } from '../model/focus';
import { attempt } from '../model/notices';
import { deliver, discard, post } from '../model/outbox';
import { addressOf, go } from '../model/route';
import { titleOf } from '../model/title';
import { Composer } from './composer';
import { Mark } from './icons';

export function Start(): VNode {
  const t = words.value;
  const [isBusy, setBusy] = useState(false);
  const begin = async (text: string): Promise<boolean> => {
    const moveFocus = moveFocusLater();
    setBusy(true);
    const isDone = await attempt(async () => {
      const id = await createChat(titleOf(text));
      const outgoing = post(id, text);
      // The chat is open before its first message has arrived, and shows it on its way.
      go(addressOf(id), { moveFocus });
      void deliver(outgoing).then((sent) => {
        if (sent) discard(outgoing.key);
      });
    });
    setBusy(false);
    return isDone;
  };
  return (
    <div class="start">
      <div class="start-middle">
        <Mark />
        <h1>{t.startTitle}</h1>
        <p>{t.startHint}</p>
        <ul class="suggestions">
          {t.suggestions.map((suggestion, number) => (
            <li key={suggestion}>
              <button
                type="button"
                class="button suggestion"
                disabled={isBusy}
                onClick={() => void begin(t.suggestionTexts[number]!)}
              >
                {suggestion}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <Composer place="start" isBusy={isBusy} onSend={begin} />
    </div>
  );
}
