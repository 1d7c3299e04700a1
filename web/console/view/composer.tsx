// Where messages are written.

import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

import { words } from '../language/language';
import { readDraft, writeDraft } from '../model/drafts';
import { moveFocusLater } from '../model/focus';
import { route } from '../model/route';
import { viewer } from '../model/user';
import { Icon } from './icons';

interface Properties {
  /** Under which name what was written so far is kept. */
  place: string;
  isBusy?: boolean;
  /** Whether the message was taken; it stays in the field if not. */
  onSend: (text: string) => Promise<boolean> | boolean;
  onType?: (isTyping: boolean) => void;
  /** How to stop the reply that is under way, if one is. */
  onStop?: (() => void) | null;
}

const TEXT_BYTES_MAX = 32 * 1024;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

export function Composer({ place, isBusy = false, onSend, onType, onStop = null }: Properties): VNode {
  const t = words.value;
  const hint = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  // A signal, because the key that sends may come before what was typed last has been drawn.
  const draft = useSignal('');
  const text = draft.value;
  const bytesMax = viewer.value?.textBytesMax ?? TEXT_BYTES_MAX;
  // A character has at most three bytes for each of its units, so most texts need not be counted.
  const bytes = text.length * 3 > bytesMax ? bytesOf(text) : 0;
  const isTooLong = bytes > bytesMax;
  const maySend = (): boolean => draft.value.trim() !== '' && bytesOf(draft.value) <= bytesMax && !isBusy;

  const write = (value: string): void => {
    draft.value = value;
    writeDraft(place, value);
  };
  useLayoutEffect(() => {
    draft.value = readDraft(place);
  }, [place]);
  const visit = route.value;
  useLayoutEffect(() => {
    if (visit.isToWrite) visit.moveFocus(field.current);
  }, [visit]);
  // Where the browser cannot fit a field to its text by itself.
  useLayoutEffect(() => {
    if (CSS.supports('field-sizing', 'content')) return;
    const style = field.current!.style;
    style.height = 'auto';
    style.height = `${field.current!.scrollHeight}px`;
  }, [text]);

  const send = async (): Promise<void> => {
    if (!maySend()) return;
    const moveFocus = moveFocusLater();
    if (await onSend(draft.value)) {
      write('');
      moveFocus(field.current);
    }
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div class="composer-box" data-wrong={isTooLong}>
        <textarea
          ref={field}
          id="message"
          rows={1}
          value={text}
          aria-label={t.message}
          aria-describedby={hint}
          aria-invalid={isTooLong}
          placeholder={t.messageHint}
          enterkeyhint="send"
          onInput={({ currentTarget: { value } }) => {
            write(value);
            onType?.(value.trim() !== '');
          }}
          onBlur={() => onType?.(false)}
          onKeyDown={(event) => {
            // While a syllable is being composed, Enter belongs to the input method.
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
            event.preventDefault();
            void send();
          }}
        />
        {onStop && (
          <button type="button" class="round-button stop" aria-label={t.stop} title={t.stop} onClick={onStop}>
            <Icon name="stop" />
          </button>
        )}
        <button type="submit" class="round-button" aria-label={t.send} title={t.send} disabled={!maySend()}>
          <Icon name="send" />
        </button>
      </div>
      <p id={hint} class="composer-hint">
        {isTooLong ? t.textTooLong(bytes, bytesMax) : onStop ? t.keysWhileGrowing : t.keys}
      </p>
    </form>
  );
}
