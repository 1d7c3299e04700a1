import type { VNode } from 'preact';
import { useId, useState } from 'preact/hooks';

import { words, wordsFor } from '../language/language';
import { START, go } from '../model/route';
import { parseUserId, userIdText, viewer } from '../model/user';

/** Whose chats are shown. Taken when the field is left, so that half an id asks for nobody's chats. */
export function UserField(): VNode {
  const t = words.value;
  const id = useId();
  const problemId = useId();
  const [isWrong, setWrong] = useState(false);
  // What stands in the field and was not taken yet: nothing that happens meanwhile takes it away.
  const [typed, setTyped] = useState<string | null>(null);
  const take = (text: string): void => {
    const isKnown = text.trim() === '' || parseUserId(text) !== null;
    setWrong(!isKnown);
    if (!isKnown) return;
    setTyped(null);
    if (text.trim() === userIdText.value) return;
    userIdText.value = text.trim();
    go(START, { isToWrite: false });
  };
  return (
    <div class="field user-field">
      <label for={id} title={t.userHint}>
        {t.user}
      </label>
      <input
        id={id}
        autocomplete="off"
        spellcheck={false}
        value={typed ?? userIdText.value}
        placeholder={String(viewer.value?.userId ?? '')}
        aria-invalid={isWrong}
        aria-describedby={isWrong ? problemId : undefined}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onChange={(event) => take(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') take(event.currentTarget.value);
        }}
      />
      {isWrong && (
        <p id={problemId} class="field-problem" role="alert">
          {wordsFor({ code: 'INVALID_USER_ID' })}
        </p>
      )}
    </div>
  );
}
