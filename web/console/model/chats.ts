// The list of a user's chats, the latest written in first.

import { signal } from '@preact/signals';

import {
  type ChatHeadFragment,
  type ChatSummaryFragment,
  ChatsDocument,
  CreateChatDocument,
  DeleteChatDocument,
  RenameChatDocument,
} from '../generated/operations';
import { ask } from './api';
import type { Message } from './assemble';
import { type Problem, problemOf } from './problem';
import { type UserId, userId } from './user';

const PAGE_SIZE = 25;

interface ChatList {
  readonly chats: readonly ChatSummaryFragment[];
  /** Where the next page begins; null if there is none. */
  readonly next: string | null;
}

/** Null until the first page is there. */
export const chatList = signal<ChatList | null>(null);
export const chatListProblem = signal<Problem | null>(null);

/** Answers for a user who is no longer asked about come too late. */
let turn = 0;

async function page(user: UserId | null, first: number, after: string | null): Promise<ChatList> {
  const { chats } = await ask(ChatsDocument, { userId: user, first, after });
  return { chats: chats.nodes, next: chats.pageInfo.hasNextPage ? chats.pageInfo.endCursor : null };
}

/** Reads the list from its beginning, as far as it was read before. */
export async function refreshChats(): Promise<void> {
  const mine = ++turn;
  const first = Math.min(100, Math.max(PAGE_SIZE, chatList.value?.chats.length ?? 0));
  try {
    const list = await page(userId.value, first, null);
    if (mine !== turn) return;
    chatList.value = list;
    chatListProblem.value = null;
  } catch (error) {
    if (mine === turn) chatListProblem.value = problemOf(error);
  }
}

/** Another user's list is not to be seen for a moment under this one's name. */
export function forgetChats(): void {
  turn++;
  chatList.value = null;
}

export async function moreChats(): Promise<void> {
  const before = chatList.value;
  if (!before?.next) return;
  const mine = turn;
  const { chats, next } = await page(userId.value, PAGE_SIZE, before.next);
  if (mine !== turn) return;
  const known = new Set(before.chats.map((chat) => chat.id));
  chatList.value = { chats: [...before.chats, ...chats.filter((chat) => !known.has(chat.id))], next };
}

export async function createChat(title: string): Promise<string> {
  const { createChat } = await ask(CreateChatDocument, { input: { title, userId: userId.value } });
  turn++;
  const list = chatList.value ?? { chats: [], next: null };
  chatList.value = { ...list, chats: [createChat.chat, ...list.chats] };
  return createChat.chat.id;
}

export async function renameChat(id: string, title: string): Promise<ChatHeadFragment> {
  const { chat } = (await ask(RenameChatDocument, { id, title })).updateChat;
  noteChat(chat);
  return chat;
}

export async function deleteChat(id: string): Promise<void> {
  await ask(DeleteChatDocument, { id });
  dropChat(id);
}

/** What was heard of a chat while it was open shows in the list at once. */
export function noteChat(head: ChatHeadFragment): void {
  change(head.id, (chat) => ({ ...chat, ...head }));
}

export function noteMessage(chatId: string, { id, author, text, createdAt }: Message): void {
  change(chatId, (chat) => ({
    ...chat,
    updatedAt: createdAt > chat.updatedAt ? createdAt : chat.updatedAt,
    lastMessage: { __typename: 'Message', id, author, text },
  }));
}

export function dropChat(id: string): void {
  const list = chatList.value;
  if (list) chatList.value = { ...list, chats: list.chats.filter((chat) => chat.id !== id) };
}

function change(id: string, how: (chat: ChatSummaryFragment) => ChatSummaryFragment): void {
  const list = chatList.value;
  const before = list?.chats.find((chat) => chat.id === id);
  if (!list || !before) return;
  const after = how(before);
  const others = list.chats.map((chat) => (chat.id === id ? after : chat));
  others.sort((one, other) => (one.updatedAt < other.updatedAt ? 1 : one.updatedAt > other.updatedAt ? -1 : 0));
  chatList.value = { ...list, chats: others };
}
