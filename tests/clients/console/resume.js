// Long replies that go on through reloads, cuts and a network that is gone for a while.

import assert from "node:assert/strict";

import { assertShowsStored, ended, inBrowser, say, server } from "./harness.js";
import { openLine } from "./proxy.js";

const line = await openLine(server);

/** A lost connection is the point; a page may say so. */
const mayComplain = (text) => /ERR_|WebSocket connection/.test(text);

const shownLength = (page) => page.evaluate(() => document.querySelector(".growing")?.textContent.length ?? 0);
const grownBy = (page, before, characters) =>
  page.waitForFunction(
    ([before, characters]) =>
      (document.querySelector(".growing")?.textContent.length ?? 0) >= before + characters ||
      document.querySelector(".reply-end"),
    [before, characters],
  );

await inBrowser(async (newPage) => {
  const page = await newPage(line.url);
  await page.goto(line.url);
  await say(page, "Tell me about the समुद्र 🌊");
  await page.locator(".growing").waitFor();

  // Reload in the middle, three times.
  for (let n = 0; n < 3; n++) {
    await grownBy(page, await shownLength(page), 200);
    assert.equal(await page.locator(".reply-end").count(), 0, "the reply was over too early");
    await page.reload();
    await page.locator(".growing").waitFor();
  }
  // Cut the line under it, eight times.
  for (let n = 0; n < 8; n++) {
    await grownBy(page, await shownLength(page), 60);
    line.cut();
  }
  assert.equal(await page.locator(".reply-end").count(), 0, "the reply was over too early");
  await ended(page, 1);
  await assertShowsStored(page);

  // A message that is sent while nothing answers arrives when something does, once.
  line.refuse(true);
  await page.getByText("The connection is lost. Trying again…").waitFor();
  await say(page, "Are you there?");
  await page.getByText("Not sent yet. Trying again…").waitFor();
  line.refuse(false);
  await page.locator(".growing").waitFor();
  await page.keyboard.press("Escape");
  await ended(page, 2);

  // What was on its way when the page was left is sent by the next.
  line.refuse(true);
  await say(page, "And now?");
  await page.getByText("Not sent yet. Trying again…").waitFor();
  line.refuse(false);
  await page.reload();
  await page.locator(".growing").waitFor();
  await page.keyboard.press("Escape");
  await ended(page, 3);
  const messages = await assertShowsStored(page);
  assert.deepEqual(
    messages.filter((it) => it.author === "USER").map((it) => it.text),
    ["Tell me about the समुद्र 🌊", "Are you there?", "And now?"],
  );
  assert.ok(messages.every((it) => it.author === "BOT" || it.clientKey));
}, { mayComplain });
line.close();
