import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { words } from '../language/language';
import { isFocusLost, moveFocus } from '../model/focus';

interface Properties {
  onChoose: (reaction: string) => void;
  onClose: () => void;
}

/** A row of reactions to choose from. Escape, or going elsewhere, closes it. */
export function Reactions({ onChoose, onClose }: Properties): VNode {
  const t = words.value;
  const row = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const drawn = row.current!;
    moveFocus(drawn.querySelector('button'));
    return () => {
      // Whoever went elsewhere has the focus there already.
      if (isFocusLost() || drawn.contains(document.activeElement)) moveFocus(before);
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
