// Says something and prints the reply as it comes, with graphql-ws alone:
//
//     npx tsx graphql-ws.ts http://127.0.0.1:8000 "Tell me about the sea"

import { randomUUID } from "node:crypto";

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { createClient } from "graphql-ws";

import { CreateChatDocument, ReplyDocument, SendMessageDocument } from "./operations.ts";
import { persist } from "./patience.ts";
import { follow } from "./reply.ts";
import { Screen } from "./screen.ts";
import "./websocket.ts";

const [server = "http://127.0.0.1:8000", text = "Tell me about the sea"] = process.argv.slice(2);

const client = createClient({
  url: `${server.replace(/^http/, "ws")}/graphql`,
  // If it tried again by itself, it would repeat what it was told to send: the cursor of then, not the latest.
  retryAttempts: 0,
});

/** Runs an operation, and hands on what comes of it. */
async function* run<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): AsyncGenerator<Data> {
  for await (const { data, errors } of client.iterate<Data>({ query: print(document), variables })) {
    if (errors || !data) throw errors;
    yield data;
  }
}

/** Runs a mutation. */
async function mutate<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  for await (const data of run(document, variables)) return data;
  throw new Error("no answer came");
}

const { createChat } = await mutate(CreateChatDocument, { input: { title: "From graphql-ws" } });
// The key makes it safe to send again what may have arrived.
const input = { chatId: createChat.chat.id, text, clientKey: randomUUID() };
const { sendMessage } = await persist(() => mutate(SendMessageDocument, { input }));

const screen = new Screen();
const reply = await follow(
  async (after, apply) => {
    const variables = { messageId: sendMessage.reply.id, after };
    for await (const data of run(ReplyDocument, variables)) apply(data.reply);
  },
  (text) => screen.show(text),
);
process.stdout.write("\n");
console.error(`[${reply.state}]`);
await client.dispose();
