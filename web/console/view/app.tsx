import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { words } from '../language/language';
import { announcement } from '../model/notices';
import { route } from '../model/route';
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
  const [isOpen, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const drawer = useRef<HTMLElement>(null);
  const main = useRef<HTMLElement>(null);
  const isDrawerOpen = isNarrow && isOpen;
  const { chatId } = route.value;

  const close = (): void => setOpen(false);

  useEffect(() => {
    if (!isDrawerOpen) return undefined;
    drawer.current?.querySelector<HTMLElement>('.drawer-close')?.focus();
    // Given back when it is drawn closed: until then everything outside of the drawer is inert.
    return () => opener.current?.focus();
  }, [isDrawerOpen]);
  // Whoever chose a chat wants to see it.
  useEffect(() => setOpen(false), [route.value]);
  useEffect(() => {
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
      <Sidebar place={drawer} isHidden={isNarrow && !isOpen} onClose={isNarrow ? close : null} />
      {isDrawerOpen && <div class="scrim" onClick={close} />}
      <main class="main" ref={main} inert={isDrawerOpen}>
        {isNarrow && (
          <button
            ref={opener}
            type="button"
            class="icon-button opener"
            aria-label={t.openChats}
            onClick={() => setOpen(true)}
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
