// What a search found, with the words that were searched for marked.

import type { ComponentChildren, VNode } from 'preact';

import { shortMoment } from '../language/dates';
import { words, wordsFor } from '../language/language';
import { attempt } from '../model/notices';
import { addressOf } from '../model/route';
import { type Found, findings, moreFindings, searchProblem } from '../model/search';
import { Skeleton } from './skeleton';

export function Findings(): VNode {
  const t = words.value;
  const result = findings.value;
  const said = result && t.found(result.found.length, result.next === null);
  return (
    <>
      <p class="list-note" role="status">
        {searchProblem.value
          ? wordsFor(searchProblem.value)
          : result === null
            ? t.searching
            : result.found.length === 0
              ? t.foundNothing(result.query)
              : said}
      </p>
      {result === null && !searchProblem.value && <Skeleton kind="list" count={3} />}
      <ul class="chats">
        {result?.found.map((message) => (
          <li key={message.id}>
            <Finding message={message} query={result.query} />
          </li>
        ))}
      </ul>
      {result?.next && (
        <button type="button" class="button more" onClick={() => void attempt(moreFindings)}>
          {t.moreFound}
        </button>
      )}
    </>
  );
}

function Finding({ message, query }: { message: Found; query: string }): VNode {
  const t = words.value;
  return (
    <a class="chat-link" href={addressOf(message.chat.id, message.id)}>
      <span class="chat-link-top">
        <span class="chat-link-title">{message.chat.title}</span>
        <time dateTime={message.createdAt}>{shortMoment(message.createdAt)}</time>
      </span>
      <span class="chat-link-words found">
        {message.author === 'BOT' ? '' : `${t.you}: `}
        {marked(around(message.text, query), query)}
      </span>
    </a>
  );
}

const wordsOf = (query: string): string[] => query.split(/\s+/).filter((word) => word !== '');

/** The part of a text where the first of the words is. */
function around(text: string, query: string): string {
  const flat = text.replace(/\s+/g, ' ');
  const lower = flat.toLowerCase();
  const places = wordsOf(query.toLowerCase()).map((word) => lower.indexOf(word));
  const first = Math.min(...places.filter((place) => place >= 0));
  const from = Number.isFinite(first) && first > 40 ? flat.indexOf(' ', first - 40) + 1 : 0;
  return `${from > 0 ? '…' : ''}${flat.slice(from, from + 160)}`;
}

function marked(text: string, query: string): ComponentChildren {
  const escaped = wordsOf(query).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const parts = text.split(new RegExp(`(${escaped.join('|')})`, 'giu'));
  return parts.map((part, number) => (number % 2 === 1 ? <mark key={number}>{part}</mark> : part));
}
