// The whole journey without a mouse.

import assert from "node:assert/strict";

import { chatOf, ended, inBrowser, server, stored } from "./harness.js";

const named = (page) =>
  page.evaluate(() => {
    const it = document.activeElement;
    return it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent.trim().slice(0, 80);
  });

/** Goes on with Tab until what is focused has this name; its focus must be seen. */
async function tabTo(page, name, key = "Tab") {
  for (let n = 0; n < 60; n++) {
    const focused = await named(page);
    if (typeof name === "string" ? focused === name : name.test(focused)) {
      assert.ok(
        await page.evaluate(() => {
          const it = document.activeElement;
          const ring = it.closest(".composer-box") ?? it;
          const { outlineStyle, boxShadow } = getComputedStyle(ring);
          return outlineStyle !== "none" || boxShadow !== "none";
        }),
        `the focus of ${focused} is not seen`,
      );
      return;
    }
    await page.keyboard.press(key);
  }
  assert.fail(`Tab never came to ${name}`);
}

await inBrowser(async (newPage) => {
  const page = await newPage();
  const { keyboard } = page;
  await page.goto(server);
  await page.getByRole("textbox", { name: "Message", exact: true }).waitFor();

  // From the field where one writes, which has the focus at first, to the way around the list, and back by it.
  await tabTo(page, "Message");
  await tabTo(page, "Skip to the conversation");
  await tabTo(page, "Search messages");
  await tabTo(page, "Skip to the conversation", "Shift+Tab");
  await keyboard.press("Enter");
  assert.equal(await named(page), "Say hello");
  await tabTo(page, "Message");

  // Shift+Enter begins a line, Enter sends.
  await keyboard.type("first line");
  await keyboard.press("Shift+Enter");
  await keyboard.type("second line");
  await keyboard.press("Enter");
  await page.locator(".growing").waitFor();
  const chat = chatOf(page);
  assert.equal((await stored(chat)).messages[0].text, "first line\nsecond line");

  // Escape stops.
  await keyboard.press("Escape");
  await ended(page, 1);
  assert.equal((await stored(chat)).messages[1].reply.state, "STOPPED");

  // The reply's actions: one stop for Tab, and the arrows within.
  await tabTo(page, "Copy", "Shift+Tab");
  await keyboard.press("ArrowRight");
  assert.equal(await named(page), "React");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Thumbs up");
  await keyboard.press("ArrowRight");
  await keyboard.press("Enter");
  await page.getByRole("button", { name: "Remove the reaction Heart" }).waitFor();
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "React");

  // Escape closes the row of reactions, and gives the focus back.
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Thumbs up");
  await keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "React");
  await keyboard.press("ArrowRight");
  assert.equal(await named(page), "Make another reply");
  await keyboard.press("Enter");
  await page.locator(".growing").waitFor();
  await keyboard.press("Escape");
  await ended(page, 2);

  // Rename: the dialog takes the focus, and gives it back.
  await tabTo(page, "Rename", "Shift+Tab");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.matches("dialog input"));
  await keyboard.press("Control+A");
  await keyboard.type("By hand");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "By hand" }).waitFor();
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Rename");

  // Delete: it begins with the way out, and Escape is one too.
  await keyboard.press("Tab");
  assert.equal(await named(page), "Delete chat");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.textContent === "Cancel");
  await keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Delete chat");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.textContent === "Cancel");
  await tabTo(page, "Delete");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "What shall we talk about?" }).waitFor();

  // On a phone's width the list is a drawer, which Escape closes.
  await page.setViewportSize({ width: 390, height: 844 });
  await page.evaluate(() => document.activeElement.blur());
  await tabTo(page, "Open the list of chats");
  await keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Close the list of chats");
  await keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Open the list of chats");
});
