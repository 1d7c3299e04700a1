// Debian's Chromium against a running server: node browser.js http://127.0.0.1:8000 /usr/bin/chromium ORIGIN_OF_PAGES
import assert from "node:assert/strict";
import { launch } from "./chromium.js";

const [server, executablePath, pages] = process.argv.slice(2);

async function graphql(query, variables) {
  const body = JSON.stringify({ query, variables });
  const headers = { "content-type": "application/json" };
  const { data, errors } = await (await fetch(`${server}/graphql`, { method: "POST", headers, body })).json();
  assert.equal(errors, undefined);
  return data;
}

async function createChat() {
  return (await graphql('mutation { createChat(input: {title: "In a browser"}) { chat { id } } }')).createChat.chat.id;
}

async function stored(chat) {
  const query = "query ($id: ID!) { chat(id: $id) { messages(first: 100) { nodes { id text author reply { state } } } } }";
  return (await graphql(query, { id: chat })).chat.messages.nodes;
}

const texts = (messages, author) => messages.filter((it) => it.author === author).map((it) => it.text);

/** The example page in two tabs of one chat: both show what is stored. */
async function twoTabs(context, pages) {
  const chat = await createChat();
  const tabs = await Promise.all([context.newPage(), context.newPage()]);
  for (const tab of tabs) {
    tab.on("pageerror", (error) => assert.fail(error));
    await tab.goto(`${pages}/mt_page.html?server=${server}&chat=${chat}`);
    await tab.waitForSelector("body[data-line=open]");
  }
  const say = async (tab, text) => {
    await tab.fill("#text", text);
    await tab.press("#text", "Enter");
  };
  const idle = (tab, bots) =>
    tab.waitForFunction((bots) => document.querySelectorAll(".bot[data-state]").length === bots, bots);
  await say(tabs[0], "hello");
  for (const tab of tabs) await idle(tab, 1);
  await say(tabs[1], "नमस्ते");
  for (const tab of tabs) await idle(tab, 2);
  await say(tabs[0], "Tell me about the sea");
  for (const tab of tabs) await idle(tab, 3);
  // One tab is stopped from the other.
  await say(tabs[0], "and on, and on");
  for (const tab of tabs) await tab.waitForFunction(() => document.querySelectorAll(".bot").length === 4);
  await tabs[1].click("#stop");
  for (const tab of tabs) await idle(tab, 4);
  const messages = await stored(chat);
  assert.deepEqual(messages.map((it) => it.reply?.state ?? null), [null, "COMPLETE", null, "COMPLETE", null, "COMPLETE", null, "STOPPED"]);
  for (const tab of tabs) {
    const shown = await tab.$$eval("#log > p", (all) => all.map((it) => it.textContent));
    assert.deepEqual(shown, messages.map((it) => it.text));
    await tab.waitForFunction(() => document.getElementById("typing").textContent === "");
    await tab.close();
  }
}

/** Both documented hooks in tabs of one chat, each sending. */
async function bothHooks(context, pages) {
  const chat = await createChat();
  const tabs = {};
  for (const name of ["Early", "Late"]) {
    const tab = await context.newPage();
    await tab.goto(`${pages}/hooks.html`);
    await tab.waitForFunction(() => window.hooks);
    const address = `${server.replace("http", "ws")}/api/v1/chat/ws/${chat}`;
    await tab.evaluate(([name, address]) => (window.hook = new window.hooks[name](address)).opened, [name, address]);
    tabs[name] = tab;
  }
  const told = (tab, mt) => tab.waitForFunction((mt) => window.hook.last === mt, mt);
  const say = async (name, text) => {
    // Both begin at nothing, so that the end of this reply is waited for and not of an earlier one.
    for (const tab of Object.values(tabs)) await tab.evaluate(() => (window.hook.last = undefined));
    await tabs[name].evaluate((text) => window.hook.say(text), text);
    for (const tab of Object.values(tabs)) await told(tab, "stop_typing_indicator");
  };
  // The early one says everything by both ways.
  const post = "mutation ($chat: ID!, $text: String!) { createMessage(input: {chatId: $chat, text: $text, author: USER}) { message { id } } }";
  await graphql(post, { chat, text: "hello" });
  await say("Early", "hello");
  await say("Early", "Tell me about the sea");
  await say("Late", "hello");
  await say("Late", "Tell me about the sky");
  const messages = await stored(chat);
  assert.deepEqual(texts(messages, "USER"), ["hello", "Tell me about the sea", "hello", "Tell me about the sky"]);
  const replies = texts(messages, "BOT");
  assert.equal(replies.length, 4);
  const bubbles = (name) => tabs[name].evaluate(() => window.hook.bubbles);
  const early = await bubbles("Early");
  const late = await bubbles("Late");
  for (const shown of [early, late]) {
    const streams = shown.filter((bubble) => bubble.id);
    assert.deepEqual(streams.map((it) => it.text), replies);
    assert.equal(new Set(streams.map((it) => it.id)).size, 4);
    assert.ok(streams.every((it) => !it.isStreaming));
  }
  // As it was used to, the early one has the two replies of its own once more; the late one nothing twice.
  assert.deepEqual(early.filter((it) => !it.id).map((it) => it.text), replies.slice(0, 2));
  assert.deepEqual(late.filter((it) => !it.id), []);
  for (const tab of Object.values(tabs)) {
    assert.equal(await tab.evaluate(() => window.hook.isTyping), false);
    await tab.close();
  }
}

const browser = await launch(executablePath);
try {
  const context = await browser.newContext();
  await twoTabs(context, pages);
  await bothHooks(context, pages);
} finally {
  await browser.close();
}
