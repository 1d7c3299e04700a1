import type { VNode } from 'preact';

import { words } from '../language/language';
import { token } from '../model/access';
import { signOut } from '../model/sign-in';
import { viewer } from '../model/user';

/** Whom the server takes us for, where that was for it to say; and the way out. */
export function ViewerLine(): VNode | null {
  const t = words.value;
  const who = viewer.value;
  if (token.value === null) return null;
  return (
    <div class="viewer">
      <span class="viewer-name">
        {who && !who.isAnonymous && t.signedInAs(String(who.userId))}
        {who?.isService && ` ${t.asService}`}
      </span>
      <button type="button" class="text-button" onClick={signOut}>
        {t.signOut}
      </button>
    </div>
  );
}
