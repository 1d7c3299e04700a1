// A server that dies in the middle of a reply, and another that takes its place: the page goes on by itself, and shows
// what is stored. Says `die` when the server shall, and reads the address of the next one.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";

import { ended, inBrowser, say, server } from "./harness.js";
import { openLine } from "./proxy.js";

const line = await openLine(server);
const mayComplain = (text) => /ERR_|WebSocket connection|502/.test(text);

await inBrowser(async (newPage) => {
  const page = await newPage(line.url);
  await page.goto(line.url);
  await say(page, "Tell me about the समुद्र 🌊");
  await page.waitForFunction(() => document.querySelector(".growing")?.textContent.length > 400);
  console.log("die");
  for await (const next of createInterface({ input: process.stdin })) {
    line.lead(next);
    break;
  }
  await page.getByText("Interrupted: the server went down while it was writing.", { exact: true }).waitFor();
  const query = "query ($id: ID!) { chat(id: $id) { messages { nodes { text reply { state } } } } }";
  const { text, state } = await page.evaluate(async (query) => {
    const id = location.hash.split("/")[2];
    const body = JSON.stringify({ query, variables: { id } });
    const headers = { "content-type": "application/json" };
    const { data } = await (await fetch("/graphql", { method: "POST", headers, body })).json();
    const [, reply] = data.chat.messages.nodes;
    return { text: reply.text, state: reply.reply.state };
  }, query);
  assert.equal(state, "INTERRUPTED");
  await page.getByRole("button", { name: "Copy" }).last().click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);

  // And it can be talked to.
  await say(page, "Hello!");
  await page.locator(".growing").waitFor();
  await page.keyboard.press("Escape");
  await ended(page, 2);
}, { mayComplain });
line.close();
