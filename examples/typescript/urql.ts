// Says something and prints the reply as it comes, with urql: mutations over HTTP, subscriptions over a WebSocket.
//
//     npx tsx urql.ts http://127.0.0.1:8000 "Tell me about the sea"

import { Client, fetchExchange, subscriptionExchange } from "@urql/core";

import { connect } from "./sockets.ts";
import { credential } from "./token.ts";
import { converse } from "./urql-converse.ts";

const [server = "http://127.0.0.1:8000", text = "Tell me about the sea"] = process.argv.slice(2);

const sockets = connect(server);
const client = new Client({
  url: `${server}/graphql`,
  fetchOptions: { headers: credential },
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query = "", variables }) => ({
        subscribe: (sink) => ({
          unsubscribe: sockets.subscribe({ query, variables: variables as Record<string, unknown> }, sink),
        }),
      }),
    }),
  ],
});
await converse(client, text);
await sockets.dispose();
