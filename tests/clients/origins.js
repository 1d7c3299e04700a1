// Pages of several origins in Debian's Chromium, each of which tries to open both sockets and to ask by HTTP:
// node origins.js http://127.0.0.1:8000 /usr/bin/chromium ALLOWED_ORIGIN FOREIGN_ORIGIN
import assert from "node:assert/strict";
import { launch } from "./chromium.js";

const [server, executablePath, allowed, foreign] = process.argv.slice(2);
const sockets = server.replace("http", "ws");

/** What a page achieves; run in the page. */
async function tried({ server, sockets }) {
  const opens = (path, protocol) =>
    new Promise((resolve) => {
      const socket = new WebSocket(sockets + path, protocol);
      socket.onopen = () => {
        socket.close();
        resolve(true);
      };
      socket.onerror = () => resolve(false);
    });
  const asks = async (path, body) => {
    const headers = { "content-type": "application/json" };
    try {
      return (await fetch(server + path, { method: "POST", headers, body: JSON.stringify(body) })).ok;
    } catch {
      return false;
    }
  };
  return [
    await opens("/graphql", "graphql-transport-ws"),
    await opens("/chat/ws/6b0754db609fe5adeb1c0b58"),
    await asks("/graphql", { query: "{ viewer { userId } }" }),
    await asks("/chat/", { user_id: 1, title: "By a page" }),
  ];
}

const browser = await launch(executablePath);
const context = await browser.newContext();
for (const [origin, mayCall] of [
  [allowed, true],
  [foreign, false],
  [server, true],
]) {
  const page = await context.newPage();
  await page.goto(`${origin}/hooks.html`);
  assert.deepEqual(await page.evaluate(tried, { server, sockets }), Array(4).fill(mayCall), origin);
  await page.close();
}
await browser.close();
