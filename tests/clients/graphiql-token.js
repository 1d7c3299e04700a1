// GraphiQL against a server that asks for tokens: node graphiql-token.js http://127.0.0.1:8000 /usr/bin/chromium TOKEN
import assert from "node:assert/strict";

import { askWith, graphql, inBrowser, server } from "./console/harness.js";
import { open, operationsOf, run, until, write } from "./graphiql-page.js";

const [token] = process.argv.slice(4);

askWith(token);
const { createChat } = await graphql('mutation { createChat(input: { title: "A chat" }) { chat { id } } }');
const send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
const { sendMessage } = await graphql(send, { input: { chatId: createChat.chat.id, text: "Tell me about the sea" } });
const messageId = sendMessage.reply.id;

await inBrowser(async (newPage) => {
  const page = await newPage();
  // The editor alone takes seconds on a slow machine.
  page.setDefaultTimeout(90_000);
  const sent = operationsOf(page);
  await page.goto(`${server}/graphql`);
  await until(page, "asks for a token[^]*Authorization[^]*Headers");

  await open(page, "WatchReply");
  await write(page, { messageId, after: null });
  await page.getByRole("button", { name: "Headers" }).click();
  await write(page, { Authorization: `Bearer ${token}` });
  const introspected = page.waitForResponse(
    (response) => response.request().postDataJSON()?.operationName === "IntrospectionQuery" && response.ok(),
  );
  await page.getByRole("button", { name: "Re-fetch GraphQL schema" }).click();
  await introspected;

  // Over a socket, which the same headers open.
  const inits = [];
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      const { type, payload: said } = JSON.parse(payload);
      if (type === "connection_init") inits.push(said);
    }),
  );
  await run(page, sent, "WatchReply");
  await until(page, "ReplyFinished[^]*COMPLETE");
  assert.deepEqual(inits[0], { Authorization: `Bearer ${token}` });
}, {
  // Chromium says so of each request that is refused; GraphiQL prints the errors of what it ran.
  mayComplain: (text) => text === "Array(1)" || text.includes("401 (Unauthorized)"),
});
