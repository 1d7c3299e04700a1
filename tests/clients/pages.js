// The pages that show the API's description, in Debian's Chromium, with no other host than the server in reach:
// node pages.js http://127.0.0.1:8000 /usr/bin/chromium
import assert from "node:assert/strict";
import { launch } from "./chromium.js";

const [server, executablePath] = process.argv.slice(2);

const description = await (await fetch(`${server}/openapi.json`)).json();
const operations = Object.entries(description.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, { operationId, summary }]) => ({ method, path, operationId, summary })),
);
assert.equal(operations.length, 14);

const browser = await launch(executablePath);

/** Opens a page. What it complains of, and what it asks of other hosts, is gathered in `wrong`. */
async function open(context, path, wrong) {
  const page = await context.newPage();
  page.on("pageerror", (error) => wrong.push(`${path}: ${error.stack}`));
  page.on("console", (said) => {
    if (said.type() === "error") wrong.push(`${path}: ${said.text()}`);
  });
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!["data:", "blob:"].includes(protocol) && origin !== server) wrong.push(`${path} asks ${request.url()}`);
  });
  const response = await page.goto(`${server}${path}`);
  assert.equal(response.status(), 200);
  assert.match(response.headers()["content-security-policy"], /default-src 'self'/);
  assert.equal(response.headers()["x-content-type-options"], "nosniff");
  return page;
}

async function swaggerUi(context, wrong) {
  const page = await open(context, "/docs", wrong);
  await page.waitForFunction((count) => document.querySelectorAll(".opblock").length === count, operations.length);
  const shown = await page.$$eval(".opblock", (blocks) =>
    blocks.map((block) => ({
      method: block.querySelector(".opblock-summary-method").textContent.toLowerCase(),
      path: block.querySelector(".opblock-summary-path").dataset.path,
    })),
  );
  const key = ({ method, path }) => `${method} ${path}`;
  assert.deepEqual(shown.map(key).sort(), operations.map(key).sort());
  // It can also be tried, below either prefix.
  const block = page.locator("#operations-Chats-list_chats");
  await block.locator(".opblock-summary-control").click();
  await block.locator(".try-out__btn").click();
  await block.locator("tr[data-param-name=user_id] input").fill("1");
  for (const { url } of description.servers) {
    await page.locator(".servers select").selectOption(url);
    const answered = page.waitForResponse((response) => response.url().startsWith(`${server}${url}/chat/user/1`));
    await block.locator(".execute").click();
    const response = await answered;
    assert.equal(response.status(), 200);
    assert.equal((await response.json()).total, 1);
  }
  await page.close();
}

async function redoc(context, wrong) {
  const page = await open(context, "/redoc", wrong);
  for (const { operationId, summary } of operations) {
    const section = page.locator(`[data-section-id$="/operation/${operationId}"]`);
    await section.waitFor();
    assert.equal(await section.locator("h2").first().innerText(), summary);
  }
  // The search runs in a worker.
  await page.locator("[role=search] input").fill("reaction");
  await page.locator("[data-role='search:results'] [role=menuitem]").first().waitFor();
  await page.close();
}

try {
  const context = await browser.newContext();
  const wrong = [];
  await swaggerUi(context, wrong);
  await redoc(context, wrong);
  assert.deepEqual(wrong, []);
} finally {
  await browser.close();
}
