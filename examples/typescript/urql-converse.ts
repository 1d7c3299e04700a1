// What the programs with urql do, whatever carries their subscriptions.

import { randomUUID } from "node:crypto";

import type { Client } from "@urql/core";
import { toAsyncIterable } from "wonka";

import { CreateChatDocument, ReplyDocument, SendMessageDocument } from "./operations.ts";
import { persist } from "./patience.ts";
import { follow } from "./reply.ts";
import { Screen } from "./screen.ts";

/** Makes a chat, says something, and prints the reply as it comes. */
export async function converse(client: Client, text: string) {
  const created = await client.mutation(CreateChatDocument, { input: { title: "From urql" } });
  // urql does not throw errors but returns them.
  if (!created.data) throw created.error;
  const chat = created.data.createChat.chat;
  // The key makes it safe to send again what may have arrived.
  const input = { chatId: chat.id, text, clientKey: randomUUID() };
  const sent = await persist(async () => {
    const { data, error } = await client.mutation(SendMessageDocument, { input });
    if (error || !data) throw error;
    return data.sendMessage;
  });

  const screen = new Screen();
  const reply = await follow(
    async (after, apply) => {
      const results = client.subscription(ReplyDocument, { messageId: sent.reply.id, after });
      for await (const { data, error, hasNext } of toAsyncIterable(results)) {
        if (error || !data) throw error;
        // The end of the stream is told with the last event once more, which would then be appended twice.
        if (!hasNext) break;
        apply(data.reply);
      }
    },
    (text) => screen.show(text),
  );
  process.stdout.write("\n");
  console.error(`[${reply.state}]`);
}
