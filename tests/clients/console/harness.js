// A browser that reaches no host but the server, and notes whatever a page complains of.

import assert from "node:assert/strict";
import { launch } from "../chromium.js";

export const [server, executablePath] = process.argv.slice(2);

/** Runs `play` in a browser; it fails if a page complained, or asked another host. */
export async function inBrowser(play, { mayComplain = () => false } = {}) {
  const browser = await launch(executablePath);
  const complaints = [];
  const newPage = async (origin = server, options = {}) => {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    context.setDefaultTimeout(30_000);
    await context.route(
      (url) => url.origin !== origin,
      (route) => {
        complaints.push(`a request to ${route.request().url()}`);
        return route.abort();
      },
    );
    const page = await context.newPage();
    page.on("console", (message) => {
      const isComplaint = ["error", "warning"].includes(message.type());
      if (isComplaint && !mayComplain(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => {
      if (!mayComplain(String(error))) complaints.push(String(error));
    });
    page.on("dialog", (dialog) => {
      complaints.push(`a dialog: ${dialog.message()}`);
      return dialog.dismiss();
    });
    return page;
  };
  try {
    await play(newPage);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
}

let bearer = {};

/** From now on the server is asked with this token. */
export function askWith(token) {
  bearer = { authorization: `Bearer ${token}` };
}

export async function graphql(query, variables) {
  const body = JSON.stringify({ query, variables });
  const headers = { "content-type": "application/json", ...bearer };
  const { data, errors } = await (await fetch(`${server}/graphql`, { method: "POST", headers, body })).json();
  assert.equal(errors, undefined);
  return data;
}

export const chatOf = (page) => /#\/chats\/([0-9a-f]{24})/.exec(page.url())?.[1];

export async function stored(chat) {
  const query = `query ($id: ID!) { chat(id: $id) { title messages(last: 100) {
    nodes { id text author reaction isEdited clientKey reply { state regenerates { id } } } } } }`;
  const { title, messages } = (await graphql(query, { id: chat })).chat;
  return { title, messages: messages.nodes };
}

/** Writes into the field at the bottom, and sends it with Enter. */
export async function say(page, text) {
  await page.getByRole("textbox", { name: "Message", exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

export const articles = (page, author) => page.locator(`.message[data-author=${author}]`);

/** Waits until so many replies have ended. */
export async function ended(page, count) {
  await page.waitForFunction(
    (count) =>
      document.querySelectorAll(".reply-end").length === count && !document.querySelector(".growing, .waiting"),
    count,
  );
}

/** Waits until the last of the messages is in sight, as it stays while it grows unless somebody goes up. */
export const atEnd = (page) =>
  page.waitForFunction(() => {
    const log = document.querySelector(".log");
    return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
  });

/** What a message says, to the character: that is what its button copies. */
export async function copied(page, message) {
  await page.evaluate(() => navigator.clipboard.writeText(""));
  await message.hover();
  await message.getByRole("button", { name: "Copy" }).click();
  await message.getByRole("button", { name: "Copied" }).waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** That the page shows what is stored, message by message. */
export async function assertShowsStored(page) {
  const { messages } = await stored(chatOf(page));
  await page.waitForFunction((count) => document.querySelectorAll(".message").length === count, messages.length);
  for (const [number, { id, text }] of messages.entries()) {
    const article = page.locator(".message").nth(number);
    assert.equal(await article.locator("article").getAttribute("data-message"), id);
    assert.equal(await copied(page, article), text);
  }
  return messages;
}
