// Reading a chat's messages, page by page, from its end.

import { type ChatHeadFragment, ChatPageDocument } from '../generated/operations';
import { ask } from './api';
import type { Message, Page } from './assemble';
import { Problem } from './problem';

/** The code for a chat that is not, or no longer, there for us. */
export const GONE = 'NOT_FOUND';

const PAGE_SIZE = 40;
/** When a chat is read afresh, as much of it as one answer may hold. */
const PAGE_SIZE_MAX = 100;
/** What is further back is read again when somebody scrolls there. */
const PAGES_MAX = 10;

interface Read {
  readonly chat: ChatHeadFragment;
  readonly page: Page;
}

async function read(id: string, last: number, before: string | null): Promise<Read> {
  const { chat } = await ask(ChatPageDocument, { id, last, before });
  if (!chat) throw new Problem(GONE);
  const { nodes, pageInfo } = chat.messages;
  return {
    chat,
    page: { messages: nodes, older: pageInfo.hasPreviousPage ? pageInfo.startCursor : null },
  };
}

export async function readOlder(id: string, before: string): Promise<Page> {
  return (await read(id, PAGE_SIZE, before)).page;
}

/** The latest page, and those before it until one reaches back to `oldest`. */
export async function readBack(id: string, oldest: Message | null): Promise<Read> {
  const first = await read(id, oldest ? PAGE_SIZE_MAX : PAGE_SIZE, null);
  let { messages, older } = first.page;
  const reaches = (): boolean => !oldest || (messages[0]?.createdAt ?? '') <= oldest.createdAt;
  for (let pages = 1; older !== null && !reaches() && pages < PAGES_MAX; pages++) {
    const { page } = await read(id, PAGE_SIZE_MAX, older);
    messages = [...page.messages, ...messages];
    older = page.older;
  }
  return { chat: first.chat, page: { messages, older } };
}
