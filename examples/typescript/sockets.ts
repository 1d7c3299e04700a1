// graphql-ws, so that it never repeats a cursor of long ago.

import { type Client, createClient } from "graphql-ws";

import type { ReplySubscription } from "./operations.ts";
import { credential } from "./token.ts";
import "./websocket.ts";

/** A client of a server's WebSocket. */
export function connect(server: string): Client {
  const client = createClient({
    url: `${server.replace(/^http/, "ws")}/graphql`,
    connectionParams: credential,
    // What fails is tried again in reply.ts, over each transport alike.
    retryAttempts: 0,
  });
  return {
    ...client,
    // Yet after a close with 1000 it subscribes again by itself, whatever `retryAttempts` says, with the variables that
    // it was given. So it is given ones that change: after the cursor that it had then, it would bring text twice.
    subscribe(payload, sink) {
      let after = payload.variables?.["after"];
      const variables = {
        ...payload.variables,
        get after() {
          return after;
        },
      };
      return client.subscribe<Record<string, unknown>>(
        { ...payload, variables },
        {
          next(result) {
            after = (result.data as Partial<ReplySubscription> | null)?.reply?.cursor ?? after;
            sink.next(result as Parameters<typeof sink.next>[0]);
          },
          error: (error) => sink.error(error),
          complete: () => sink.complete(),
        },
      );
    },
  };
}
