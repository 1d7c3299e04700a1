// Searching the messages of all chats of a user, while they type.

import { effect, signal } from '@preact/signals';

import { SearchMessagesDocument, type SearchMessagesQuery } from '../generated/operations';
import { ask } from './api';
import { type Problem, problemOf } from './problem';
import { userId } from './user';

export type Found = SearchMessagesQuery['searchMessages']['nodes'][number];

interface Findings {
  readonly query: string;
  readonly found: readonly Found[];
  readonly next: string | null;
}

const PAGE_SIZE = 20;

/** Long enough that a word is not searched for letter by letter. */
const PAUSE_MS = 250;

export const searchText = signal('');
export const findings = signal<Findings | null>(null);
export const searchProblem = signal<Problem | null>(null);

async function page(query: string, after: string | null): Promise<Findings> {
  const variables = { query, userId: userId.peek(), first: PAGE_SIZE, after };
  const { nodes, pageInfo } = (await ask(SearchMessagesDocument, variables)).searchMessages;
  return { query, found: nodes, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
}

async function search(query: string): Promise<void> {
  const isCurrent = (): boolean => searchText.peek().trim() === query;
  try {
    const result = await page(query, null);
    if (!isCurrent()) return;
    findings.value = result;
    searchProblem.value = null;
  } catch (error) {
    if (isCurrent()) searchProblem.value = problemOf(error);
  }
}

export async function moreFindings(): Promise<void> {
  const before = findings.value;
  if (!before?.next) return;
  const { found, next } = await page(before.query, before.next);
  if (findings.value === before) findings.value = { ...before, found: [...before.found, ...found], next };
}

effect(() => {
  const query = searchText.value.trim();
  // Another user has other messages.
  void userId.value;
  searchProblem.value = null;
  if (query === '') return void (findings.value = null);
  const timer = setTimeout(() => void search(query), PAUSE_MS);
  return () => clearTimeout(timer);
});
