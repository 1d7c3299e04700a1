// What lies above and below a chat: who can read it, the state of the line, and what went wrong.

import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { words, wordsFor } from '../language/language';
import { current } from '../model/current';
import { isWarningSeen, problem } from '../model/notices';
import { viewer } from '../model/user';
import { Icon } from './icons';

/** A line that breaks is usually back before anybody has to know. */
const PATIENCE_MS = 1_500;

function useOnline(): boolean {
  const [isOnline, set] = useState(navigator.onLine);
  useEffect(() => {
    const changed = (): void => set(navigator.onLine);
    addEventListener('online', changed);
    addEventListener('offline', changed);
    return () => {
      removeEventListener('online', changed);
      removeEventListener('offline', changed);
    };
  }, []);
  return isOnline;
}

/** Where the server asks nobody who they are. Said in each tab once, for it is easily forgotten. */
export function AnonymousBanner(): VNode | null {
  const t = words.value;
  if (!viewer.value?.isAnonymous || isWarningSeen.value) return null;
  return (
    <div class="banner" data-kind="anonymous" role="note">
      <Icon name="warning" />
      <span>{t.anonymous}</span>
      <button
        type="button"
        class="icon-button small"
        aria-label={t.dismissWarning}
        title={t.dismissWarning}
        onClick={() => (isWarningSeen.value = true)}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

export function LineBanner(): VNode {
  const t = words.value;
  const isOnline = useOnline();
  const conversation = current.value;
  const isBroken =
    conversation !== null && conversation.standing.value === 'open' && conversation.lineState.value !== 'open';
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!isBroken) return undefined;
    const timer = setTimeout(() => setLong(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isBroken]);
  const isShown = !isOnline || (isBroken && isLong);
  return (
    <div role="status">
      {isShown && (
        <div class="banner" data-kind="line">
          <Icon name="warning" />
          <span>{isOnline ? t.reconnecting : t.offline}</span>
          {isOnline && (
            <button type="button" class="text-button" onClick={() => conversation?.retryNow()}>
              {t.tryNow}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

export function ProblemBanner(): VNode {
  const t = words.value;
  return (
    <div class="toast-place" role="alert">
      {problem.value && (
        <div class="toast">
          <Icon name="warning" />
          <span>{wordsFor(problem.value)}</span>
          <button type="button" class="icon-button" aria-label={t.dismiss} onClick={() => (problem.value = null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
