// Everything the console can do, and a second tab that sees it happen.

import assert from "node:assert/strict";

import { articles, assertShowsStored, atEnd, chatOf, ended, inBrowser, say, server, stored } from "./harness.js";

await inBrowser(async (newPage) => {
  const page = await newPage();
  await page.goto(server);
  await page.getByRole("heading", { name: "What shall we talk about?" }).waitFor();

  // Whoever asks for no tokens is warned of it, until they have put that away.
  const warning = page.getByRole("note").filter({ hasText: "whoever reaches it can read every chat" });
  await warning.waitFor();
  await page.getByRole("button", { name: "Dismiss the warning" }).click();
  await warning.waitFor({ state: "detached" });

  // The first message makes the chat, under the user that the field names.
  const user = page.getByRole("textbox", { name: "User" });
  await user.fill("mira");
  await user.press("Enter");
  await page.getByText("No chats yet.").waitFor();
  await say(page, "Tell me about the sea\nand its tides");
  await page.locator(".growing").waitFor();
  const chat = chatOf(page);
  await page.getByRole("heading", { level: 1, name: "Tell me about the sea" }).waitFor();
  const other = await newPage();
  await other.goto(page.url());
  await ended(page, 1);
  await ended(other, 1);
  assert.deepEqual((await assertShowsStored(page)).map((it) => it.reply?.state), [undefined, "COMPLETE"]);
  await assertShowsStored(other);
  await page.getByText(/^Reply ended\. Complete/).waitFor({ state: "attached" });

  // Stop, from the other tab, where Escape is as good as the button.
  await say(page, "And on, and on");
  await other.locator(".growing").waitFor();
  await other.getByRole("textbox", { name: "Message", exact: true }).press("Escape");
  await ended(page, 2);
  await page.getByText("Stopped. What was written is kept.", { exact: true }).waitFor();
  assert.equal((await assertShowsStored(page))[3].reply.state, "STOPPED");

  // Another reply in place of it.
  const stopped = articles(page, "BOT").nth(1);
  await stopped.hover();
  await stopped.getByRole("button", { name: "Make another reply" }).click();
  await page.getByText("Another reply in place of an earlier one").waitFor();
  await page.getByRole("button", { name: "Stop the reply" }).click();
  await ended(page, 3);
  for (const tab of [page, other]) await atEnd(tab);
  const { messages } = await stored(chat);
  assert.equal(messages[4].reply.regenerates.id, messages[3].id);
  await page.getByText("Another reply was made in place of this one").waitFor();

  // React, and take it back.
  const first = articles(page, "BOT").first();
  await first.hover();
  await first.getByRole("button", { name: "React" }).click();
  await page.getByRole("button", { name: "Thumbs up" }).click();
  await articles(other, "BOT").first().getByText("👍").waitFor();
  assert.equal((await stored(chat)).messages[1].reaction, "👍");
  await first.getByRole("button", { name: "Remove the reaction Thumbs up" }).click();
  await articles(other, "BOT").first().getByText("👍").waitFor({ state: "detached" });

  // Edit.
  const question = articles(page, "USER").nth(1);
  await question.hover();
  await question.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("And further");
  await page.getByRole("button", { name: "Save" }).click();
  await articles(other, "USER").nth(1).getByText("And further").waitFor();
  await articles(other, "USER").nth(1).getByText("edited").waitFor();

  // Rename, which the other tab and the list show.
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("The sea");
  await page.keyboard.press("Enter");
  await other.getByRole("heading", { level: 1, name: "The sea" }).waitFor();
  await page.getByRole("link", { name: /^The sea/ }).waitFor();

  // Delete a message; to think better of it deletes nothing.
  const last = articles(page, "BOT").last();
  const askToDelete = async () => {
    await last.hover();
    await last.getByRole("button", { name: "Delete" }).click();
  };
  await askToDelete();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await stored(chat)).messages.length, 5);
  await askToDelete();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await other.waitForFunction(() => document.querySelectorAll(".message").length === 4);
  await assertShowsStored(page);

  // Typing is seen by the other tab.
  await page.getByRole("textbox", { name: "Message", exact: true }).pressSequentially("Hm");
  await other.getByText("Somebody is typing…").waitFor();
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("");
  await other.getByText("Somebody is typing…").waitFor({ state: "detached" });

  // Search finds a message and leads to it.
  await page.getByRole("button", { name: "New chat" }).click();
  await say(page, "Hello!");
  await ended(page, 1);
  assert.notEqual(chatOf(page), chat);
  await page.getByRole("searchbox", { name: "Search messages" }).fill("further");
  await page.getByText("1 message found").waitFor();
  await page.getByRole("link", { name: /further/ }).click();
  await page.waitForFunction(() => document.activeElement?.matches("article[data-message]"));
  assert.equal(chatOf(page), chat);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /And further/);
  await page.getByRole("searchbox").fill("nowhere-to-be-found");
  await page.getByText("Nothing says “nowhere-to-be-found”.").waitFor();
  await page.getByRole("searchbox").press("Escape");

  // Delete the chat: the list no longer has it, and the other tab says that it is gone.
  await page.getByRole("button", { name: "Delete chat" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await other.getByRole("heading", { name: "This chat is not there, or no longer." }).waitFor();
  await page.getByRole("heading", { name: "What shall we talk about?" }).waitFor();
  assert.equal(await page.getByRole("link", { name: /^The sea/ }).count(), 0);

  // What was chosen outlives a reload.
  await page.getByLabel("Language").selectOption("hi");
  await page.getByLabel("रूप").selectOption("dark");
  await page.reload();
  await page.getByRole("heading", { name: "हम किस बारे में बात करें?" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "hi");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.getByRole("link", { name: /^Hello!/ }).waitFor();
});
