// The list of chats, the search, and the page's settings.

import type { Ref, VNode } from 'preact';

import { words } from '../language/language';
import { searchText } from '../model/search';
import { START, go } from '../model/route';
import { mayChoose } from '../model/user';
import { ChatList } from './chat-list';
import { Findings } from './findings';
import { Icon, Mark } from './icons';
import { Settings } from './settings';
import { UserField } from './user-field';
import { ViewerLine } from './viewer';

interface Properties {
  place: Ref<HTMLElement>;
  isHidden: boolean;
  /** How to close it, where it is a drawer. */
  onClose: (() => void) | null;
}

export function Sidebar({ place, isHidden, onClose }: Properties): VNode {
  const t = words.value;
  return (
    <nav ref={place} class="sidebar" aria-label={t.chats} data-hidden={isHidden} inert={isHidden}>
      <div class="sidebar-top">
        <a class="brand" href={START}>
          <Mark />
          {t.product}
        </a>
        {onClose && (
          <button type="button" class="icon-button drawer-close" aria-label={t.closeChats} onClick={onClose}>
            <Icon name="close" />
          </button>
        )}
      </div>
      <button type="button" class="button primary new-chat" onClick={() => go(START, { isToWrite: true })}>
        <Icon name="plus" />
        {t.newChat}
      </button>
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label={t.search}
          placeholder={t.search}
          value={searchText.value}
          maxLength={256}
          onInput={(event) => (searchText.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Escape' || searchText.value === '') return;
            event.stopPropagation();
            searchText.value = '';
          }}
        />
      </div>
      <div class="sidebar-list">{searchText.value.trim() === '' ? <ChatList /> : <Findings />}</div>
      <div class="sidebar-foot">
        <ViewerLine />
        {mayChoose.value !== false && <UserField />}
        <Settings />
      </div>
    </nav>
  );
}
