// A chat of many messages, read backwards.

import assert from "node:assert/strict";

import { atEnd, graphql, inBrowser, server } from "./harness.js";

const COUNT = 130;
const made = await graphql('mutation { createChat(input: {title: "Long"}) { chat { id } } }');
const chat = made.createChat.chat.id;
const post = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
for (let n = 1; n <= COUNT; n++) await graphql(post, { input: { chatId: chat, text: `message ${n}` } });

const shown = (page) => page.$$eval(".message .bubble", (all) => all.map((it) => it.textContent));

await inBrowser(async (newPage) => {
  const page = await newPage();
  await page.goto(`${server}/#/chats/${chat}`);
  await page.getByText(`message ${COUNT}`, { exact: true }).waitFor();
  await atEnd(page);
  // Up, page by page: the message that one looks at does not move when older ones come in above it.
  while ((await shown(page)).length < COUNT) {
    const count = (await shown(page)).length;
    const moved = await page.evaluate(async (count) => {
      const log = document.querySelector(".log");
      log.scrollTop = 150;
      const middle = log.getBoundingClientRect().left + log.clientWidth / 2;
      const watched = document.elementFromPoint(middle, 400).closest(".message");
      const before = watched.getBoundingClientRect().top;
      await new Promise((more) => {
        const observer = new MutationObserver(() => {
          if (document.querySelectorAll(".message").length <= count) return;
          observer.disconnect();
          requestAnimationFrame(() => requestAnimationFrame(more));
        });
        observer.observe(log, { childList: true, subtree: true });
      });
      return Math.abs(watched.getBoundingClientRect().top - before);
    }, count);
    assert.ok(moved <= 1, `what was read moved by ${moved} pixels`);
  }
  const expected = Array.from({ length: COUNT }, (_, n) => `message ${n + 1}`);
  assert.deepEqual(await shown(page), expected);
  await page.getByText("This is where the chat begins.").waitFor();
  await page.getByRole("button", { name: "Jump to the latest message" }).click();
  await atEnd(page);
});
