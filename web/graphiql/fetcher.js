// How GraphiQL asks the server: over HTTP, and what is subscribed to over a WebSocket; with the headers of the tab
// "Headers" in either case.

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws/client';

const HINT =
  'This server asks for a token, and takes none that it was given. Write {"Authorization": "Bearer YOUR-TOKEN"} into ' +
  'the tab "Headers" below, then press "Re-fetch GraphQL schema" on the left, or run the operation again.';

/** The close code where the token is missing, not valid, or valid no longer. */
const FORBIDDEN_CODE = 4403;

// Built from the page's own address, so that the page works behind any host name and any TLS proxy.
const socketUrl = new URL('/graphql', window.location.href);
socketUrl.protocol = window.location.protocol === 'https:' ? 'wss:' : 'ws:';

async function fetchOrHint(address, options) {
  const response = await fetch(address, options);
  if (response.status !== 401) return response;
  const errors = [{ message: HINT, extensions: { code: 'UNAUTHENTICATED' } }];
  return Response.json({ errors }, { status: response.status });
}

const isForbidden = (error) => error instanceof CloseEvent && error.code === FORBIDDEN_CODE;

/** What is subscribed to, on a socket of its own: a browser sends no headers with the handshake of one. */
function subscriber(headers) {
  const client = createClient({
    url: socketUrl.href,
    connectionParams: headers,
    // The same token would be refused again.
    shouldRetry: (error) => error instanceof CloseEvent && !isForbidden(error),
  });
  return {
    ...client,
    subscribe: (payload, sink) =>
      client.subscribe(payload, {
        ...sink,
        error: (error) => sink.error(isForbidden(error) ? new Error(HINT) : error),
      }),
  };
}

export const fetcher = (request, options) => {
  const wsClient = subscriber(options?.headers);
  return createGraphiQLFetcher({ url: '/graphql', fetch: fetchOrHint, wsClient })(request, options);
};
