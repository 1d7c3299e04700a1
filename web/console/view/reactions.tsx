import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { words } from '../language/language';

interface Properties {
  onChoose: (reaction: string) => void;
  onClose: () => void;
}

/** A row of reactions to choose from. Escape, or going elsewhere, closes it. */
export function Reactions({ onChoose, onClose }: Properties): VNode {
  const t = words.value;
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    row.current?.querySelector('button')?.focus();
    return () => {
      // What was chosen may have been by mouse elsewhere; then the focus is there already.
      if (document.activeElement === document.body) before?.focus();
    };
  }, []);
  const pressed = (event: KeyboardEvent): void => {
    const buttons = [...row.current!.querySelectorAll('button')];
    const place = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === 'Escape') {
      // It closes this and stops nothing.
      event.stopPropagation();
      onClose();
    } else if (event.key === 'ArrowRight') {
      buttons[(place + 1) % buttons.length]!.focus();
    } else if (event.key === 'ArrowLeft') {
      buttons[(place + buttons.length - 1) % buttons.length]!.focus();
    }
  };
  return (
    <div
      ref={row}
      class="reactions"
      role="group"
      aria-label={t.chooseReaction}
      onKeyDown={pressed}
      onFocusOut={(event) => {
        if (!row.current?.contains(event.relatedTarget as Node | null)) onClose();
      }}
    >
      {Object.entries(t.reactions).map(([reaction, name]) => (
        <button
          key={reaction}
          type="button"
          aria-label={name}
          title={name}
          onClick={() => {
            onChoose(reaction);
            onClose();
          }}
        >
          {reaction}
        </button>
      ))}
    </div>
  );
}
