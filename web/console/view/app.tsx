import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { words } from '../language/language';
import { isFocusLost, moveFocus } from '../model/focus';
import { announcement } from '../model/notices';
import { type Route, route } from '../model/route';
import { ChatView } from './chat';
import { Icon } from './icons';
import { AnonymousBanner, LineBanner, ProblemBanner } from './banners';
import { Sidebar } from './sidebar';
import { SignIn } from './sign-in';
import { Start } from './start';

/** Below this width the list of chats is a drawer. The style sheet says the same. */
const NARROW = matchMedia('(max-width: 47.99rem)');

function useIsNarrow(): boolean {
  const [isNarrow, set] = useState(NARROW.matches);
  useEffect(() => {
    const changed = (): void => set(NARROW.matches);
    NARROW.addEventListener('change', changed);
    return () => NARROW.removeEventListener('change', changed);
  }, []);
  return isNarrow;
}

export function App(): VNode {
  const t = words.value;
  const isNarrow = useIsNarrow();
  // Only for this visit: whoever chose a chat wants to see it.
  const [openAt, setOpenAt] = useState<Route | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const drawer = useRef<HTMLElement>(null);
  const main = useRef<HTMLElement>(null);
  const visit = route.value;
  const { chatId } = visit;
  const isDrawerOpen = isNarrow && openAt === visit;

  const close = (): void => setOpenAt(null);

  useLayoutEffect(() => {
    if (!isDrawerOpen) return undefined;
    moveFocus(drawer.current?.querySelector<HTMLElement>('.drawer-close'));
    // By now it is drawn closed, and so inert; what was chosen in it may have the focus already.
    return () => {
      if (isFocusLost()) moveFocus(opener.current);
    };
  }, [isDrawerOpen]);
  useLayoutEffect(() => {
    if (!isDrawerOpen) return undefined;
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) close();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [isDrawerOpen]);

  return (
    <div class="app">
      <a
        class="skip"
        href="#message"
        onClick={(event) => {
          // The hash says which chat is open, so the link must not change it.
          event.preventDefault();
          main.current?.querySelector<HTMLElement>(':is(textarea, button):not(.banner *)')?.focus();
        }}
      >
        {t.skip}
      </a>
      <Sidebar place={drawer} isHidden={isNarrow && !isDrawerOpen} onClose={isNarrow ? close : null} />
      {isDrawerOpen && <div class="scrim" onClick={close} />}
      <main class="main" ref={main} inert={isDrawerOpen}>
        {isNarrow && (
          <button
            ref={opener}
            type="button"
            class="icon-button opener"
            aria-label={t.openChats}
            onClick={() => setOpenAt(visit)}
          >
            <Icon name="menu" />
          </button>
        )}
        <AnonymousBanner />
        <LineBanner />
        {chatId === null ? <Start /> : <ChatView key={chatId} chatId={chatId} />}
        <ProblemBanner />
      </main>
      <p class="heard-only" role="status">
        {announcement.value}
      </p>
      <SignIn />
    </div>
  );
}
