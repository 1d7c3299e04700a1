import type { VNode } from 'preact';
import { useId } from 'preact/hooks';

import { words, wordsFor } from '../language/language';
import type { Conversation } from '../model/conversation';
import { type Outgoing, discard } from '../model/outbox';

/** A message on its way. */
export function PendingView({ conversation, outgoing }: { conversation: Conversation; outgoing: Outgoing }): VNode {
  const t = words.value;
  const heading = useId();
  const { state, problem, text, key } = outgoing;
  return (
    <li class="message" data-author="USER" data-pending={state}>
      <article aria-labelledby={heading}>
        <h2 id={heading} class="heard-only">
          {t.you}
        </h2>
        <div class="message-body">
          <div class="bubble">{text}</div>
          <div class="message-foot">
            {state === 'refused' ? (
              <>
                <span class="pending-problem" role="alert">
                  {t.notSent} {problem && wordsFor(problem)}
                </span>
                <button type="button" class="text-button" onClick={() => conversation.sendAgain(outgoing)}>
                  {t.sendAgain}
                </button>
                <button type="button" class="text-button" onClick={() => discard(key)}>
                  {t.discard}
                </button>
              </>
            ) : (
              <span>{state === 'waiting' ? t.sendingAgain : t.sending}</span>
            )}
          </div>
        </div>
      </article>
    </li>
  );
}
