// What can go wrong between the page and the server.

/** Every code that the server refuses a request with (docs/errors.md). */
export const ERROR_CODES = [
  'BAD_REQUEST',
  'BODY_TOO_LARGE',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_HASH_MISMATCH',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'PERSISTED_QUERY_NOT_IN_LIST',
  'QUERY_TOO_COMPLEX',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'BAD_USER_INPUT',
  'INVALID_ID',
  'INVALID_USER_ID',
  'INVALID_TITLE',
  'INVALID_TEXT',
  'INVALID_LABEL',
  'INVALID_CLIENT_KEY',
  'INVALID_PAGE_SIZE',
  'INVALID_PAGE',
  'INVALID_CURSOR',
  'NOT_FOUND',
  'NOT_A_REPLY',
  'INVALID_SEARCH',
  'INVALID_PERIOD',
  'INVALID_LANGUAGE',
  'INVALID_TIME_ZONE',
  'INVALID_FAULTS',
  'FAULTS_NOT_ALLOWED',
  'CONFLICT',
  'REPLY_UNDER_WAY',
  'TOO_MANY_REPLIES',
  'TOO_MANY_OPERATIONS',
  'TOO_MANY_STREAMS',
  'SHUTTING_DOWN',
  'UNAVAILABLE',
  'INTERNAL',
] as const;

/** Every code that a reply fails with. */
export const FAILURE_CODES = [
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_RATE_LIMITED',
  'UPSTREAM_UNAUTHORIZED',
  'UPSTREAM_REFUSED',
  'UPSTREAM_ERROR',
  'UPSTREAM_FILTERED',
  'UPSTREAM_PROTOCOL',
  'UPSTREAM_TOO_LARGE',
  'UNAVAILABLE',
  'INTERNAL',
  'PROMPT_DELETED',
  'SHUTDOWN',
] as const;

/** The code for whoever brings no token that the server takes. */
export const UNAUTHENTICATED = 'UNAUTHENTICATED';

/** After these it is not known whether a request did anything; with the same client key it may be sent again. */
const PASSING = new Set(['UNREACHABLE', 'RATE_LIMITED', 'TOO_MANY_STREAMS', 'SHUTTING_DOWN', 'UNAVAILABLE', 'INTERNAL']);

/** A request that the server refused, or that did not reach it: then the code is `UNREACHABLE`. */
export class Problem extends Error {
  readonly code: string;

  constructor(code: string, message = code) {
    super(message);
    this.code = code;
  }

  get mayPass(): boolean {
    return PASSING.has(this.code);
  }
}

export function problemOf(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem('UNREACHABLE', String(error));
}
