import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useId, useState } from 'preact/hooks';

import { words } from '../language/language';
import { deleteChat, renameChat } from '../model/chats';
import type { Conversation } from '../model/conversation';
import { attempt } from '../model/notices';
import { START, go } from '../model/route';
import { viewer } from '../model/user';
import { Dialog } from './dialog';
import { Icon } from './icons';

export function ChatHead({ conversation }: { conversation: Conversation }): VNode {
  const t = words.value;
  const [dialog, open] = useState<'rename' | 'delete' | null>(null);
  const { id } = conversation;
  const title = conversation.chat.value?.title ?? '';
  const close = (): void => open(null);
  return (
    <header class="chat-head">
      <h1>{title}</h1>
      <button type="button" class="icon-button" aria-label={t.rename} title={t.rename} onClick={() => open('rename')}>
        <Icon name="pencil" />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={t.deleteChat}
        title={t.deleteChat}
        onClick={() => open('delete')}
      >
        <Icon name="bin" />
      </button>
      {dialog === 'rename' && (
        <RenameDialog
          title={title}
          onClose={close}
          onRename={(name) =>
            attempt(async () => {
              conversation.chat.value = await renameChat(id, name);
            })
          }
        />
      )}
      {dialog === 'delete' && (
        <Dialog
          title={t.deleteChatTitle}
          verb={t.delete}
          isDanger
          onClose={close}
          onConfirm={() =>
            attempt(async () => {
              await deleteChat(id);
              go(START);
            })
          }
        >
          <p>{t.deleteChatText(title)}</p>
        </Dialog>
      )}
    </header>
  );
}

interface RenameProperties {
  title: string;
  onRename: (title: string) => Promise<boolean>;
  onClose: () => void;
}

function RenameDialog({ title, onRename, onClose }: RenameProperties): VNode {
  const t = words.value;
  const id = useId();
  const name = useSignal(title);
  return (
    <Dialog title={t.renameTitle} verb={t.save} onClose={onClose} onConfirm={() => onRename(name.value.trim())}>
      <div class="field">
        <label for={id}>{t.title}</label>
        <input
          id={id}
          value={name.value}
          required
          pattern=".*\S.*"
          maxLength={viewer.value?.titleCharactersMax ?? 200}
          autocomplete="off"
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </div>
    </Dialog>
  );
}
