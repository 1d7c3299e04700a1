// Where the server asks for a token: above everything, so that all of it is still there when one was given.

import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

import { words, wordsFor } from '../language/language';
import { closing } from '../model/access';
import { asOurMove, moveFocusLater } from '../model/focus';
import { type Problem, UNAUTHENTICATED } from '../model/problem';
import { signIn } from '../model/sign-in';
import { Mark } from './icons';

export function SignIn(): VNode | null {
  const why = closing.value;
  return why && <TokenDialog explanation={why === 'over' ? words.value.tokenOver : words.value.tokenMissing} />;
}

function TokenDialog({ explanation }: { explanation: string }): VNode {
  const t = words.value;
  const [heading, reason, hint, complaint, input] = [useId(), useId(), useId(), useId(), useId()];
  const place = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const problem = useSignal<Problem | null>(null);
  const isBusy = useSignal(false);
  useLayoutEffect(() => {
    const dialog = place.current!;
    asOurMove(() => {
      dialog.showModal();
      field.current!.focus();
    });
    return () => asOurMove(() => dialog.close());
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    const moveFocus = moveFocusLater();
    problem.value = await signIn(field.current!.value);
    isBusy.value = false;
    moveFocus(field.current);
    field.current?.select();
  };
  return (
    <dialog
      ref={place}
      class="dialog sign-in"
      aria-labelledby={heading}
      aria-describedby={reason}
      // There is no way around it. Browsers that do not know the attribute close it at the second Escape all the same.
      closedby="none"
      onCancel={(event) => event.preventDefault()}
      onClose={() => place.current?.isConnected && place.current.showModal()}
    >
      <form onSubmit={submit}>
        <Mark />
        <h2 id={heading}>{t.signIn}</h2>
        <p id={reason}>{explanation}</p>
        <div class="field">
          <label for={input}>{t.token}</label>
          <input
            ref={field}
            id={input}
            type="password"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            aria-invalid={problem.value !== null}
            aria-describedby={problem.value ? `${complaint} ${hint}` : hint}
          />
          <p id={complaint} class="field-problem" role="alert">
            {problem.value && sayWhy(problem.value)}
          </p>
          <p id={hint} class="field-hint">
            {t.tokenHint}
          </p>
        </div>
        <div class="dialog-buttons">
          <button type="submit" class="button primary" disabled={isBusy.value}>
            {t.signIn}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const sayWhy = (problem: Problem): string =>
  problem.code === UNAUTHENTICATED ? words.value.tokenRefused : wordsFor(problem);
