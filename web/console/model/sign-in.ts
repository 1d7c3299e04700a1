// Signing in with a token, and out again.

import { ViewerDocument } from '../generated/operations';
import { keepToken, opened, parseToken } from './access';
import { askWith } from './api';
import { outbox } from './outbox';
import { Problem, UNAUTHENTICATED, problemOf } from './problem';
import { START } from './route';
import { forgetTab } from './storage';
import { type UserId, viewer } from './user';

/** Under which name it is kept who signed in last in this tab, and so typed what it holds. */
const NAME = 'colloquy.signed-in';

/** Tries a token, and goes on where one was if the server takes it; why not, if it does not. */
export async function signIn(text: string): Promise<Problem | null> {
  const token = parseToken(text);
  if (token === null) return new Problem(UNAUTHENTICATED);
  try {
    const found = (await askWith(token, ViewerDocument, {})).viewer;
    // What was typed and read here is somebody else's.
    if (isAnother(found.userId)) beginAnew(token);
    else {
      viewer.value = found;
      opened(token);
    }
    note(found.userId);
    return null;
  } catch (error) {
    return problemOf(error);
  }
}

/** Forgets the token, and with it all that this tab has read and typed. */
export function signOut(): void {
  beginAnew(null);
}

function beginAnew(token: string | null): void {
  outbox.value = [];
  forgetTab();
  keepToken(token);
  history.replaceState(null, '', START);
  location.reload();
}

function isAnother(user: UserId): boolean {
  try {
    const before = sessionStorage.getItem(NAME);
    return before !== null && before !== JSON.stringify(user);
  } catch {
    return false;
  }
}

function note(user: UserId): void {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(user));
  } catch {
    // Nothing that was typed is kept either.
  }
}
