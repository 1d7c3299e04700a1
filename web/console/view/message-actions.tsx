// What can be done with a message: one stop for the Tab key, and the arrow keys within it.

import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { words } from '../language/language';
import { type Message, isGrowing } from '../model/assemble';
import type { Conversation } from '../model/conversation';
import { attempt } from '../model/notices';
import { Icon, type IconName } from './icons';

interface Properties {
  conversation: Conversation;
  message: Message;
  onOpen: (what: 'edit' | 'delete' | 'react') => void;
}

interface Action {
  readonly icon: IconName;
  readonly name: string;
  readonly run: () => void;
}

/** How long it is said that something was copied. */
const COPIED_MS = 2_000;

export function MessageActions({ conversation, message, onOpen }: Properties): VNode {
  const t = words.value;
  const toolbar = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState(0);
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(conversation.textOf(message));
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  const actions: Action[] = [
    { icon: isCopied ? 'check' : 'copy', name: isCopied ? t.copied : t.copy, run: () => void attempt(copy) },
    { icon: 'smile', name: t.react, run: () => onOpen('react') },
  ];
  if (message.author === 'USER') {
    actions.push({ icon: 'pencil', name: t.edit, run: () => onOpen('edit') });
  } else if (!isGrowing(message)) {
    actions.push({
      icon: 'again',
      name: t.regenerate,
      run: () => void attempt(() => conversation.regenerate(message)),
    });
  }
  actions.push({ icon: 'bin', name: t.delete, run: () => onOpen('delete') });

  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (step + actions.length) % actions.length;
    setPlace(next);
    toolbar.current?.querySelectorAll('button')[next]?.focus();
  };
  return (
    <div ref={toolbar} class="actions" role="toolbar" aria-label={t.actions} onKeyDown={move}>
      {actions.map(({ icon, name, run }, number) => (
        <button
          key={number}
          type="button"
          class="icon-button small"
          aria-label={name}
          title={name}
          tabIndex={number === Math.min(place, actions.length - 1) ? 0 : -1}
          onClick={run}
          onFocus={() => setPlace(number)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </div>
  );
}
