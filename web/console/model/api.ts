// Queries and mutations, by fetch.

import type { TypedDocumentString } from '../generated/operations';
import { credential, entry, refused } from './access';
import { Problem, UNAUTHENTICATED } from './problem';

interface Answer<Result> {
  data?: Result | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

const PATH = '/graphql';
const REQUEST_MS_MAX = 30_000;

/**
 * Asks the server, and throws a `Problem` unless it answers with all that was asked for. Where it wants a token first,
 * the question waits for one: it was refused before anything was done, so nothing is done twice.
 */
export async function ask<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  for (;;) {
    const token = await entry();
    try {
      return await askWith(token, document, variables);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== UNAUTHENTICATED) throw error;
      refused(token);
    }
  }
}

/** Asks once, with this token. */
export async function askWith<Result, Variables>(
  token: string | null,
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  let answer: Answer<Result>;
  try {
    const response = await fetch(PATH, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        ...credential(token),
      },
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
