// What axe finds: nothing, in any state of the page, theme, language or width.

import { assertAccessible } from "./axe.js";
import { ended, inBrowser, server } from "./harness.js";

const MARKDOWN = "# Tides\n\nsome `code` and **more**\n\n```\nlet x = 1;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";

const WORDS = {
  en: { field: "Message", text: MARKDOWN, list: "Open the list of chats", rename: "Rename" },
  hi: {
    field: "संदेश",
    text: "मुझे समुद्र के बारे में बताओ",
    list: "बातचीत की सूची खोलें",
    rename: "नाम बदलें",
  },
};

await inBrowser(async (newPage) => {
  for (const colorScheme of ["light", "dark"]) {
    for (const [language, locale] of [
      ["en", "en-GB"],
      ["hi", "hi-IN"],
    ]) {
      for (const width of [1280, 320]) {
        const words = WORDS[language];
        const where = (what) => `${what}, ${colorScheme}, ${language}, ${width}`;
        const page = await newPage(server, { colorScheme, locale, viewport: { width, height: 800 } });
        await page.goto(server);
        const field = page.getByRole("textbox", { name: words.field, exact: true });
        await field.waitFor();
        await assertAccessible(page, where("the start"));
        await field.fill(words.text);
        await page.keyboard.press("Enter");
        await page.locator(".growing").waitFor();
        await assertAccessible(page, where("a growing reply"));
        await page.keyboard.press("Escape");
        await ended(page, 1);
        await assertAccessible(page, where("a chat"));
        await page.getByRole("button", { name: words.rename }).click();
        await page.getByRole("dialog").waitFor();
        await assertAccessible(page, where("a dialog"));
        await page.keyboard.press("Escape");
        if (width === 320) await page.getByRole("button", { name: words.list }).click();
        await page.getByRole("searchbox").fill(language === "en" ? "tides" : "समुद्र");
        await page.locator(".found").first().waitFor();
        await assertAccessible(page, where("the list and a search"));
        await page.context().close();
      }
    }
  }
});
