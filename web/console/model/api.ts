// Queries and mutations, by fetch.

import type { TypedDocumentString } from '../generated/operations';
import { Problem } from './problem';

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

const PATH = '/graphql';
const REQUEST_MS_MAX = 30_000;

/** Asks the server, and throws a `Problem` unless it answers with all that was asked for. */
export async function ask<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  let answer: Answer<Result>;
  try {
    const response = await fetch(PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query: document.toString(), variables }),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    });
    answer = (await response.json()) as Answer<Result>;
  } catch (error) {
    // Whatever is no JSON did not come from the server but from something before it.
    throw new Problem('UNREACHABLE', String(error));
  }
  const error = answer.errors?.[0];
  if (error) throw new Problem(error.extensions?.code ?? 'INTERNAL', error.message);
  if (!answer.data) throw new Problem('UNREACHABLE');
  return answer.data;
}
