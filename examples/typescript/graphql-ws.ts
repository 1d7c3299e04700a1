// Says something and prints the reply as it comes, with graphql-ws alone:
//
//     npx tsx graphql-ws.ts http://127.0.0.1:8000 "Tell me about the sea"

import { randomUUID } from "node:crypto";

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";

import { CreateChatDocument, ReplyDocument, SendMessageDocument } from "./operations.ts";
import { persist } from "./patience.ts";
import { follow } from "./reply.ts";
import { Screen } from "./screen.ts";
import { connect } from "./sockets.ts";

const [server = "http://127.0.0.1:8000", text = "Tell me about the sea"] = process.argv.slice(2);
const client = connect(server);

/** Runs an operation to its end, and hands on each result as it comes. */
function run<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  next: (data: Data) => void,
): Promise<void> {
  return new Promise((complete, fail) => {
    client.subscribe<Data>(
      { query: print(document), variables },
      {
        next: ({ data, errors }) => (data && !errors ? next(data) : fail(errors)),
        error: fail,
        complete,
      },
    );
  });
}

/** Runs a mutation. */
async function mutate<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  let answer: Data | undefined;
  await run(document, variables, (data) => (answer = data));
  if (!answer) throw new Error("no answer came");
  return answer;
}

const { createChat } = await mutate(CreateChatDocument, { input: { title: "From graphql-ws" } });
// The key makes it safe to send again what may have arrived.
const input = { chatId: createChat.chat.id, text, clientKey: randomUUID() };
const { sendMessage } = await persist(() => mutate(SendMessageDocument, { input }));

const messageId = sendMessage.reply.id;
const screen = new Screen();
const reply = await follow(
  (after, apply) => run(ReplyDocument, { messageId, after }, (data) => apply(data.reply)),
  (text) => screen.show(text),
);
process.stdout.write("\n");
console.error(`[${reply.state}]`);
await client.dispose();
