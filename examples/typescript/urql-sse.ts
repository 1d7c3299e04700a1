// Says something and prints the reply as it comes, with urql over HTTP alone: the reply comes as server-sent events.
//
//     npx tsx urql-sse.ts http://127.0.0.1:8000 "Tell me about the sea"

import { Client, fetchExchange } from "@urql/core";

import { credential } from "./token.ts";
import { converse } from "./urql-converse.ts";

const [server = "http://127.0.0.1:8000", text = "Tell me about the sea"] = process.argv.slice(2);

const client = new Client({
  url: `${server}/graphql`,
  fetchOptions: { headers: credential },
  exchanges: [fetchExchange],
  fetchSubscriptions: true,
});
await converse(client, text);
