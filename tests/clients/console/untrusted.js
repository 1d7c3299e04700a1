// Text that would like to be more than text.

import assert from "node:assert/strict";

import { articles, assertShowsStored, ended, inBrowser, say, server } from "./harness.js";

const TEXT = `<img src=x onerror="alert(1)"> <script>alert(2)</script> <b>bold</b>

[one](javascript:alert(3)) [two](JaVaScRiPt:alert(4)) [three](data:text/html,<script>alert(5)</script>)
[four](https://example.org/safe) <https://example.org/auto> ![pic](https://example.org/pixel.png)
<a href="javascript:alert(6)">seven</a>
<iframe srcdoc="<script>alert(7)</script>"></iframe><svg onload=alert(8)></svg>

<style>body { display: none }</style>`;

await inBrowser(async (newPage) => {
  const page = await newPage();
  await page.goto(server);
  await say(page, TEXT);
  await ended(page, 1);
  await assertShowsStored(page);
  const bubble = articles(page, "BOT").locator(".bubble");
  // The bot says it all again, and none of it became an element.
  assert.equal(await bubble.locator("img, script, iframe, svg, style, b").count(), 0);
  const text = await bubble.textContent();
  for (const part of ["<img src=x", "<script>alert(2)</script>", "<style>", "<iframe"]) {
    assert.ok(text.includes(part), text);
  }
  const links = await bubble
    .locator("a")
    .evaluateAll((all) => all.map((it) => [it.getAttribute("href"), it.rel, it.target]));
  assert.deepEqual(
    links,
    ["https://example.org/safe", "https://example.org/auto", "https://example.org/pixel.png"].map((address) => [
      address,
      "noopener noreferrer",
      "_blank",
    ]),
  );
  // Nor in the question, the title, the list or a search.
  await page.getByRole("searchbox").fill("onerror");
  await page.getByText(/messages? found/).waitFor();
  assert.equal(await page.locator("img, main script, iframe, main style").count(), 0);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), "block");
});
