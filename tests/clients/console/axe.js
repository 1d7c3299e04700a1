// What axe finds on a page: nothing.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function assertAccessible(page, where) {
  // Colours are measured when they have come to rest.
  await page.evaluate(() => {
    const passing = document.getAnimations().filter((it) => it.effect.getTiming().iterations === 1);
    return Promise.allSettled(passing.map((it) => it.finished));
  });
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  const about = (node) => `${node.html.slice(0, 160)} ${node.failureSummary}`;
  const found = violations.map(({ id, nodes }) => [id, ...nodes.map(about)]);
  assert.deepEqual(found, [], where);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${where} is ${overflow} pixels too wide`);
}
