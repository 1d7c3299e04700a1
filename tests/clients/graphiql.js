// GraphiQL, as on a first visit, in a browser that reaches no host but the server:
// node graphiql.js http://127.0.0.1:8000 /usr/bin/chromium
import assert from "node:assert/strict";
import { graphql, inBrowser, server } from "./console/harness.js";

const ID = /"id": "([0-9a-f]{24})"/g;

/** What the right-hand pane shows. The editor writes blanks as no-break spaces, and only the lines in sight. */
const answer = async (page) =>
  (await page.locator(".graphiql-response .view-lines").innerText()).replaceAll("\u00a0", " ");

async function until(page, pattern) {
  await page.waitForFunction((source) => {
    const lines = document.querySelector(".graphiql-response .view-lines");
    return new RegExp(source).test(lines?.innerText.replaceAll("\u00a0", " ") ?? "");
  }, pattern);
  return answer(page);
}

/** Goes to one of the example tabs. */
async function open(page, name) {
  await page.locator(".graphiql-tab-button", { hasText: name }).click();
  await page.locator(".graphiql-tab-active", { hasText: name }).waitFor();
}

async function write(page, variables) {
  await page.locator(".graphiql-editor-tool:not(.hidden) .view-lines").first().click();
  await page.keyboard.press("ControlOrMeta+A");
  // Pasted, because the editor closes the brackets that are typed.
  await page.evaluate((text) => navigator.clipboard.writeText(text), JSON.stringify(variables));
  await page.keyboard.press("ControlOrMeta+V");
}

const run = (page) => page.locator(".graphiql-execute-button").click();

/** GraphiQL does not hear the button before it has read the document, and says nowhere when it has. */
async function runFirst(page) {
  const isSent = page.waitForRequest((request) => request.postData()?.includes("createChat"));
  let isDone = false;
  isSent.finally(() => (isDone = true));
  while (!isDone) {
    await run(page);
    await Promise.race([isSent, page.waitForTimeout(500)]);
  }
}

await inBrowser(async (newPage) => {
  const page = await newPage();
  // The editor alone takes seconds on a slow machine.
  page.setDefaultTimeout(90_000);
  const response = await page.goto(`${server}/graphql`);
  assert.match(response.headers()["content-security-policy"], /default-src 'self'/);
  await page.locator(".graphiql-execute-button").waitFor();

  await open(page, "CreateChat");
  await runFirst(page);
  const [, chat] = [...(await until(page, "createChat[^]*title")).matchAll(ID)][0];

  await open(page, "SendMessage");
  await write(page, { chatId: chat });
  await run(page);
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
  await run(page);
  await until(page, "ReplyFinished[^]*COMPLETE");
  const { text } = (await graphql("query ($id: ID!) { message(id: $id) { text } }", { id: reply })).message;
  assert.equal(events.map((event) => event.text ?? "").join(""), text);
  assert.ok(events.filter((event) => event.__typename === "ReplyPartial").length > 3, JSON.stringify(events));

  await open(page, "ListChats");
  await run(page);
  await until(page, "My first chat");

  // Our descriptions are its reference manual.
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.getByRole("link", { name: "Query", exact: true }).click();
  await page.getByText("What can be read.").waitFor();
});
