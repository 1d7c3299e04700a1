// A server that asks for tokens: signing in, going on after a token has been withdrawn, and signing out.

import assert from "node:assert/strict";

import { assertAccessible } from "./axe.js";
import { askWith, assertShowsStored, ended, graphql, inBrowser, say, server } from "./harness.js";

const [first, fresh, somebodyElse, service] = process.argv.slice(4);

const dialog = (page) => page.getByRole("dialog", { name: "Sign in" });
const message = (page) => page.getByRole("textbox", { name: "Message", exact: true });

async function give(page, token) {
  await dialog(page).getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
}

async function signIn(page, token) {
  await give(page, token);
  await dialog(page).waitFor({ state: "detached" });
}

const kept = (page, storage) => page.evaluate((name) => JSON.stringify({ ...window[name] }), storage);

await inBrowser(
  async (newPage) => {
    const page = await newPage();
    await page.goto(server);
    await dialog(page).getByText("This server asks who you are.").waitFor();
    await page.waitForFunction(() => document.activeElement.matches("dialog input[type=password]"));
    await assertAccessible(page, "sign-in");
    for (const key of ["Escape", "Escape", "Escape"]) await page.keyboard.press(key);
    await dialog(page).waitFor();

    // What is no token of this server is refused in words, and in place of it another can be given.
    for (const wrong of ["nonsense", "नमस्ते", `${first}x`]) {
      await give(page, wrong);
      await dialog(page).getByRole("alert").filter({ hasText: "does not take this token" }).waitFor();
      await page.waitForFunction(() => document.activeElement.matches("dialog input[aria-invalid=true]"));
    }
    await assertAccessible(page, "a refused token");
    await signIn(page, first);
    await page.getByText("Signed in as mira").waitFor();
    await page.getByText("No chats yet.").waitFor();
    assert.equal(await page.getByRole("textbox", { name: "User" }).count(), 0);
    assert.equal(await page.getByRole("note").count(), 0);

    // A reply streams, and the tab outlives its being loaded anew.
    askWith(first);
    await say(page, "Tell me about the sea");
    await page.locator(".growing").waitFor();
    await page.reload();
    await page.locator(".growing").waitFor();
    await ended(page, 1);
    await assertShowsStored(page);
    assert.ok((await kept(page, "sessionStorage")).includes(first));
    assert.ok(!(await kept(page, "localStorage")).includes(first));

    // The token is withdrawn while a reply grows and something is being written.
    await say(page, "And on, and on");
    await page.locator(".growing").waitFor();
    await message(page).fill("half a thou");
    const place = page.url();
    askWith(service);
    await graphql('mutation { revokeUser(input: { userId: "mira" }) { userId } }');
    await dialog(page).getByText("has expired, or was withdrawn").waitFor();
    assert.ok(!(await kept(page, "sessionStorage")).includes(first));
    await assertAccessible(page, "a token that is over");
    await give(page, first);
    await dialog(page).getByRole("alert").filter({ hasText: "does not take this token" }).waitFor();
    await signIn(page, fresh);
    assert.equal(page.url(), place);
    assert.equal(await message(page).inputValue(), "half a thou");
    await page.waitForFunction(() => document.activeElement.id === "message");
    await ended(page, 2);
    askWith(fresh);
    const messages = await assertShowsStored(page);
    assert.deepEqual(messages.map((it) => it.reply?.state), [undefined, "COMPLETE", undefined, "COMPLETE"]);

    // Nothing is left for whoever comes next.
    await page.getByRole("button", { name: "Sign out" }).click();
    await dialog(page).waitFor();
    assert.doesNotMatch(await kept(page, "sessionStorage"), /half a thou|token|signed-in/);
    assert.equal(await page.getByRole("link", { name: /^Tell me about the sea/ }).count(), 0);
    await signIn(page, somebodyElse);
    await page.getByText("Signed in as ravi").waitFor();
    await page.getByText("No chats yet.").waitFor();

    // Nor if they come when the token before is withdrawn.
    await message(page).fill("of ravi");
    askWith(service);
    await graphql('mutation { revokeUser(input: { userId: "ravi" }) { userId } }');
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await signIn(page, fresh);
    await page.getByText("Signed in as mira").waitFor();
    assert.equal(await message(page).inputValue(), "");
    await page.getByRole("button", { name: "Sign out" }).click();

    // A service acts for whom it says.
    await signIn(page, service);
    await page.getByText("(a service)").waitFor();
    const user = page.getByRole("textbox", { name: "User" });
    await user.fill("mir");
    // Whoever is back on the line is told anew who they are, in the middle of what they type.
    await page.route(`${server}/graphql`, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.text()).replace('"userId":"console-tests"', '"userId":"another name"');
      await route.fulfill({ response: answer, body });
    });
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.waitForFunction(() => document.querySelector(".user-field input").placeholder === "another name");
    await page.unrouteAll({ behavior: "wait" });
    assert.equal(await user.inputValue(), "mir");
    await user.press("End");
    await page.keyboard.type("a");
    await user.press("Enter");
    await page.getByRole("link", { name: /^Tell me about the sea/ }).waitFor();

    // In Hindi, on a phone, in the dark.
    const other = await newPage(server, { locale: "hi-IN", colorScheme: "dark", viewport: { width: 320, height: 800 } });
    await other.goto(server);
    await other.getByRole("dialog", { name: "साइन इन करें" }).waitFor();
    await other.getByLabel("टोकन").fill("nonsense");
    await other.keyboard.press("Enter");
    await other.getByText("सर्वर यह टोकन स्वीकार नहीं करता").waitFor();
    await assertAccessible(other, "sign-in in Hindi");
  },
  // Chromium says so of each request that is refused for want of a token.
  { mayComplain: (text) => text.includes("401 (Unauthorized)") },
);
