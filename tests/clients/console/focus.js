// Where the focus goes: at once where it follows from what the user did, and never late from where the user put it.

import assert from "node:assert/strict";

import { chatOf, ended, graphql, inBrowser, say, server } from "./harness.js";

const NARROW = { viewport: { width: 390, height: 844 } };
const PHONE = { ...NARROW, isMobile: true, hasTouch: true };

const messageField = (page) => page.getByRole("textbox", { name: "Message", exact: true });
const search = (page) => page.getByRole("searchbox", { name: "Search messages" });
const listed = (page, title) => page.getByRole("link", { name: new RegExp(`^${title}`) });
const atStart = (page) => page.getByRole("heading", { name: "What shall we talk about?" }).waitFor();
const atChat = (page, title) => page.getByRole("heading", { level: 1, name: title }).waitFor();

const hasFocus = (place) => place.evaluate((it) => it === document.activeElement);
const getsFocus = async (place) =>
  place.page().waitForFunction((it) => it === document.activeElement, await place.elementHandle());

const inSight = async (place) =>
  place.page().waitForFunction((it) => {
    const { top, bottom } = it.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }, await place.elementHandle());

/** What has the focus as soon as a button has been pressed, when no further key can have come yet. */
const focusAfter = (button) =>
  button.evaluate(async (it) => {
    it.focus();
    it.click();
    // What the click brought about is drawn in microtasks of the same task.
    for (let n = 0; n < 20; n++) await null;
    const at = document.activeElement;
    return at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
  });

/** Lets the answers to an operation wait. */
async function hold(page, operation) {
  let letGo;
  const gate = new Promise((open) => (letGo = open));
  const asked = page.waitForRequest((request) => request.postData()?.includes(` ${operation}(`));
  await page.route("**/graphql", async (route) => {
    if (route.request().postData()?.includes(` ${operation}(`)) await gate;
    await route.continue();
  });
  return { asked, letGo };
}

/** A chat in which one message is far above the last. */
async function makeChat(title) {
  const { createChat } = await graphql(`mutation { createChat(input: {title: "${title}"}) { chat { id } } }`);
  const { id } = createChat.chat;
  const post = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
  const texts = ["a needle", ...Array.from({ length: 30 }, (_, n) => `hay ${n}`)];
  for (const text of texts) await graphql(post, { input: { chatId: id, text } });
  return id;
}

/** What takes the focus does so at once, and gives it back at once. */
async function atOnce(newPage) {
  const page = await newPage(server, NARROW);
  const button = (name) => page.getByRole("button", { name, exact: true });
  await page.goto(server);
  await messageField(page).waitFor();
  assert.ok(await hasFocus(messageField(page)));
  for (let n = 0; n < 5; n++) {
    assert.equal(await focusAfter(button("Open the list of chats")), "Close the list of chats");
    assert.equal(await focusAfter(button("Close the list of chats")), "Open the list of chats");
  }
  assert.equal(await focusAfter(button("Open the list of chats")), "Close the list of chats");
  assert.equal(await focusAfter(button("New chat")), "Message");
  await say(page, "hello");
  await ended(page, 1);
  assert.equal(await focusAfter(button("Rename")), "Title");
  assert.equal(await focusAfter(button("Cancel")), "Rename");
  assert.equal(await focusAfter(button("Delete chat")), "Cancel");
  assert.equal(await focusAfter(button("Cancel")), "Delete chat");
  const react = page.locator("[data-author=BOT]").getByRole("button", { name: "React", exact: true });
  assert.equal(await focusAfter(react), "Thumbs up");
  assert.equal(await focusAfter(button("Thumbs up")), "React");
  assert.equal(await focusAfter(button("Open the list of chats")), "Close the list of chats");
  assert.equal(await focusAfter(button("New chat")), "Message");
  await page.context().close();
}

/** A chat that comes late: whoever waits for it can write at once, whoever searches meanwhile is let be. */
async function chatComesLate(newPage, title) {
  for (const isElsewhere of [false, true]) {
    const page = await newPage();
    await page.goto(server);
    const { asked, letGo } = await hold(page, "ChatPage");
    await listed(page, title).press("Enter");
    await asked;
    if (isElsewhere) await search(page).focus();
    letGo();
    await atChat(page, title);
    assert.ok(await hasFocus(isElsewhere ? search(page) : messageField(page)));
    await page.context().close();
  }
}

/** The same of a chat that is being made. */
async function chatIsMadeLate(newPage) {
  for (const isElsewhere of [false, true]) {
    const page = await newPage();
    await page.goto(server);
    const { asked, letGo } = await hold(page, "CreateChat");
    await say(page, "hello");
    await asked;
    if (isElsewhere) await search(page).focus();
    letGo();
    await ended(page, 1);
    assert.ok(await hasFocus(isElsewhere ? search(page) : messageField(page)));
    await page.context().close();
  }
}

/** The same of a message that was found in a chat. */
async function messageComesLate(newPage, title) {
  for (const isElsewhere of [false, true]) {
    const page = await newPage();
    await page.goto(server);
    await search(page).fill("needle");
    const found = page.getByRole("link", { name: /needle/ });
    await found.waitFor();
    const { asked, letGo } = await hold(page, "ChatPage");
    await found.press("Enter");
    await asked;
    if (isElsewhere) await search(page).focus();
    letGo();
    await atChat(page, title);
    // It is gone to and gets the focus at once.
    const article = page.locator("article[data-message]").filter({ hasText: "needle" });
    await inSight(article);
    assert.ok(await hasFocus(isElsewhere ? search(page) : article));
    await page.context().close();
  }
}

/** Who goes on from the field of the user is not brought back to where one writes. */
async function otherUser(newPage, chat, title) {
  const page = await newPage();
  await page.goto(`${server}/#/chats/${chat}`);
  await atChat(page, title);
  await page.getByRole("textbox", { name: "User" }).fill("mira");
  await page.keyboard.press("Tab");
  await atStart(page);
  assert.ok(await hasFocus(page.getByLabel("Theme")));
  await page.context().close();
}

/** From the drawer to what was chosen in it; on a phone not into the field, which would bring the keyboard up. */
async function chosenInDrawer(newPage, chat, title) {
  for (const [options, isPhone] of [
    [NARROW, false],
    [PHONE, true],
  ]) {
    const page = await newPage(server, options);
    const opener = page.getByRole("button", { name: "Open the list of chats" });
    await page.goto(server);
    await opener.click();
    await listed(page, title).click();
    await atChat(page, title);
    assert.equal(chatOf(page), chat);
    assert.ok(await hasFocus(isPhone ? opener : messageField(page)));
    await opener.click();
    await page.getByRole("button", { name: "New chat" }).click();
    await atStart(page);
    assert.ok(await hasFocus(messageField(page)));
    // Once more where it leads nowhere else.
    await opener.click();
    await page.getByRole("button", { name: "New chat" }).click();
    await getsFocus(messageField(page));
    await opener.click();
    await search(page).fill("needle");
    await page.getByRole("link", { name: /needle/ }).click();
    await getsFocus(page.locator("article[data-message]").filter({ hasText: "needle" }));
    await page.context().close();
  }
}

const title = "Haystack";
const chat = await makeChat(title);
await inBrowser(async (newPage) => {
  await atOnce(newPage);
  await chatComesLate(newPage, title);
  await chatIsMadeLate(newPage);
  await messageComesLate(newPage, title);
  await otherUser(newPage, chat, title);
  await chosenInDrawer(newPage, chat, title);
});
