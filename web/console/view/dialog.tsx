// The browser's own dialog: it keeps the focus in, closes on Escape, and gives the focus back.

import type { ComponentChildren, VNode } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { words } from '../language/language';
import { asOurMove } from '../model/focus';

interface Properties {
  title: string;
  /** What the button says that does it. */
  verb: string;
  isDanger?: boolean;
  /** Whether it was done; the dialog stays open if not. */
  onConfirm: () => Promise<boolean>;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, verb, isDanger = false, onConfirm, onClose, children }: Properties): VNode {
  const t = words.value;
  const heading = useId();
  const place = useRef<HTMLDialogElement>(null);
  const [isBusy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const dialog = place.current!;
    asOurMove(() => {
      dialog.showModal();
      // Where there is something to fill in it comes first; before what cannot be undone comes the way out.
      dialog.querySelector<HTMLElement>('input, textarea, button')?.focus();
    });
    return () => asOurMove(() => dialog.close());
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const isDone = await onConfirm();
    setBusy(false);
    if (isDone) onClose();
  };
  return (
    <dialog ref={place} class="dialog" aria-labelledby={heading} onCancel={onClose}>
      <form onSubmit={submit}>
        <h2 id={heading}>{title}</h2>
        {children}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" class={`button ${isDanger ? 'danger' : 'primary'}`} disabled={isBusy}>
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
