// GraphiQL, as on a first visit, in a browser that reaches no host but the server:
// node graphiql.js http://127.0.0.1:8000 /usr/bin/chromium
import assert from "node:assert/strict";
import { graphql, inBrowser, server } from "./console/harness.js";

const ID = /"id": "([0-9a-f]{24})"/g;

/** What the right-hand pane shows. The editor writes blanks as no-break spaces, and only the lines in sight. */
const answer = async (page) =>
  (await page.locator(".graphiql-response .view-lines").innerText()).replaceAll("\u00a0", " ");

async function until(page, pattern) {
  const isThere = page.waitForFunction((source) => {
    const lines = document.querySelector(".graphiql-response .view-lines");
    return new RegExp(source).test(lines?.innerText.replaceAll("\u00a0", " ") ?? "");
  }, pattern);
  await isThere.catch(async (error) => {
    throw new Error(`no ${pattern} in ${await answer(page)}`, { cause: error });
  });
  return answer(page);
}

/** Goes to one of the example tabs. */
async function open(page, name) {
  await page.locator(".graphiql-tab-button", { hasText: name }).click();
  await page.locator(".graphiql-tab-active", { hasText: name }).waitFor();
}

/** Writes into the pane below. Pasted, because the editor closes the brackets that are typed. */
async function write(page, variables) {
  const text = JSON.stringify(variables);
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  const lines = page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines");
  // The editor hears nothing before it is ready, and says nowhere when it is.
  for (let shown; shown !== text; ) {
    await lines.click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.press("ControlOrMeta+V");
    await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
    shown = (await lines.innerText()).replaceAll("\u00a0", " ").replaceAll("\n", "");
  }
}

/** The names of the operations that the page has sent, over HTTP or a WebSocket. */
function operationsOf(page) {
  const sent = new Set();
  page.on("request", (request) => sent.add(request.postDataJSON()?.operationName));
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => sent.add(JSON.parse(payload).payload?.operationName)),
  );
  return sent;
}

/** Runs the operation of a tab. GraphiQL reads a document a moment after it shows it, and says nowhere when it has. */
async function run(page, sent, name) {
  while (!sent.has(name)) {
    await page.locator(".graphiql-execute-button").click();
    await page.waitForTimeout(500);
  }
}

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
