// One message: what it says, and what can be done with it.

import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';

import { fullMoment, shortMoment } from '../language/dates';
import { words } from '../language/language';
import { type Message, isGrowing } from '../model/assemble';
import type { Conversation } from '../model/conversation';
import { attempt } from '../model/notices';
import { GrowingProse, Prose } from '../text/prose';
import { Dialog } from './dialog';
import { Mark } from './icons';
import { MessageActions } from './message-actions';
import { Reactions } from './reactions';
import { ReplyEnd } from './reply-end';

interface Properties {
  conversation: Conversation;
  message: Message;
  isReplaced: boolean;
}

export function MessageView({ conversation, message, isReplaced }: Properties): VNode {
  const t = words.value;
  const heading = useId();
  const article = useRef<HTMLElement>(null);
  const [open, setOpen] = useState<'edit' | 'delete' | 'react' | null>(null);
  const isBot = message.author === 'BOT';
  const close = (): void => setOpen(null);
  const author = isBot ? t.bot : t.you;
  return (
    <li class="message" data-author={message.author} data-replaced={isReplaced}>
      <article ref={article} tabIndex={-1} data-message={message.id} aria-labelledby={heading}>
        <h2 id={heading} class="heard-only">
          {t.saidBy(author, fullMoment(message.createdAt))}
        </h2>
        {isBot && <Mark />}
        <div class="message-body">
          {message.reply?.regenerates && <p class="message-note">{t.regenerated}</p>}
          <div class="bubble">{isBot ? <ReplyText conversation={conversation} message={message} /> : message.text}</div>
          <div class="message-foot">
            <ReplyEnd message={message} />
            {isReplaced && <span>{t.replaced}</span>}
            {message.isEdited && <span>{t.edited}</span>}
            <time dateTime={message.createdAt} title={fullMoment(message.createdAt)}>
              {shortMoment(message.createdAt)}
            </time>
            {message.reaction && (
              <button
                type="button"
                class="reaction"
                aria-label={t.removeReaction(t.reactions[message.reaction] ?? message.reaction)}
                onClick={() => void attempt(() => conversation.react(message, null))}
              >
                {message.reaction}
              </button>
            )}
            <MessageActions conversation={conversation} message={message} onOpen={setOpen} />
          </div>
          {open === 'react' && (
            <Reactions
              onClose={close}
              onChoose={(reaction) => void attempt(() => conversation.react(message, reaction))}
            />
          )}
        </div>
      </article>
      {open === 'edit' && <EditDialog conversation={conversation} message={message} onClose={close} />}
      {open === 'delete' && (
        <Dialog
          title={t.deleteMessageTitle}
          verb={t.delete}
          isDanger
          onClose={close}
          onConfirm={() => attempt(() => conversation.delete(message))}
        >
          <p>{t.deleteMessageText}</p>
        </Dialog>
      )}
    </li>
  );
}

/** Alone in reading the growing text, so that nothing else is drawn again for each piece. */
function ReplyText({ conversation, message }: { conversation: Conversation; message: Message }): VNode {
  const t = words.value;
  if (!isGrowing(message)) return <Prose text={message.text} />;
  const text = conversation.textOf(message);
  if (text === '') return <p class="waiting">{conversation.isFirstInLine(message) ? t.thinking : t.waiting}</p>;
  return (
    <div class="growing" aria-busy="true">
      <GrowingProse text={text} />
    </div>
  );
}

interface EditProperties {
  conversation: Conversation;
  message: Message;
  onClose: () => void;
}

function EditDialog({ conversation, message, onClose }: EditProperties): VNode {
  const t = words.value;
  const id = useId();
  const text = useSignal(message.text);
  return (
    <Dialog
      title={t.editTitle}
      verb={t.save}
      onClose={onClose}
      onConfirm={() => attempt(() => conversation.edit(message, text.value))}
    >
      <div class="field">
        <label for={id}>{t.message}</label>
        <textarea
          id={id}
          rows={6}
          required
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      </div>
    </Dialog>
  );
}
