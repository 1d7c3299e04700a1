// GraphiQL, as on a first visit, in a browser that reaches no host but the server:
// node graphiql.js http://127.0.0.1:8000 /usr/bin/chromium
import assert from "node:assert/strict";
import { graphql, inBrowser, server } from "./console/harness.js";
import { open, operationsOf, run, until, write } from "./graphiql-page.js";

const ID = /"id": "([0-9a-f]{24})"/g;

await inBrowser(async (newPage) => {
  const page = await newPage();
  // The editor alone takes seconds on a slow machine.
  page.setDefaultTimeout(90_000);
  const response = await page.goto(`${server}/graphql`);
  assert.match(response.headers()["content-security-policy"], /default-src 'self'/);
  const sent = operationsOf(page);
  await page.locator(".graphiql-execute-button").waitFor();

  await open(page, "CreateChat");
  await run(page, sent, "CreateChat");
  const [, chat] = [...(await until(page, "createChat[^]*title")).matchAll(ID)][0];

  await open(page, "SendMessage");
  await write(page, { chatId: chat });
  await run(page, sent, "SendMessage");
  const [, [, reply]] = [...(await until(page, "reply[^]*cursor")).matchAll(ID)];

  // Over the socket, piece by piece.
  const events = [];
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      const { type, payload: result } = JSON.parse(payload);
      if (type === "next") events.push(result.data.reply);
    }),
  );
  await open(page, "WatchReply");
  await write(page, { messageId: reply, after: null });
  await run(page, sent, "WatchReply");
  await until(page, "ReplyFinished[^]*COMPLETE");
  const { text } = (await graphql("query ($id: ID!) { message(id: $id) { text } }", { id: reply })).message;
  assert.equal(events.map((event) => event.text ?? "").join(""), text);
  assert.ok(events.filter((event) => event.__typename === "ReplyPartial").length > 3, JSON.stringify(events));

  await open(page, "ListChats");
  await run(page, sent, "ListChats");
  await until(page, "My first chat");

  // Our descriptions are its reference manual.
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.getByRole("link", { name: "Query", exact: true }).click();
  await page.getByText("What can be read.").waitFor();
}, {
  // GraphiQL prints the errors of what it ran, and it may run a document under the name of the tab before.
  mayComplain: (text) => text === "Array(1)",
});
