// What a person does on the page of GraphiQL.

/** What the right-hand pane shows. The editor writes blanks as no-break spaces, and only the lines in sight. */
const answer = async (page) =>
  (await page.locator(".graphiql-response .view-lines").innerText()).replaceAll("\u00a0", " ");

export async function until(page, pattern) {
  const isThere = page.waitForFunction((source) => {
    const lines = document.querySelector(".graphiql-response .view-lines");
    return new RegExp(source).test(lines?.innerText.replaceAll("\u00a0", " ") ?? "");
  }, pattern);
  await isThere.catch(async (error) => {
    throw new Error(`no ${pattern} in ${await answer(page)}`, { cause: error });
  });
  return answer(page);
}

/** Goes to one of the example tabs. */
export async function open(page, name) {
  await page.locator(".graphiql-tab-button", { hasText: name }).click();
  await page.locator(".graphiql-tab-active", { hasText: name }).waitFor();
}

/** Writes into the pane below. Pasted, because the editor closes the brackets that are typed. */
export async function write(page, variables) {
  const text = JSON.stringify(variables);
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  const lines = page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines");
  // The editor hears nothing before it is ready, and says nowhere when it is.
  for (let shown; shown !== text; ) {
    await lines.click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.press("ControlOrMeta+V");
    await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
    shown = (await lines.innerText()).replaceAll("\u00a0", " ").replaceAll("\n", "");
  }
}

/** The names of the operations that the page has sent, over HTTP or a WebSocket. */
export function operationsOf(page) {
  const sent = new Set();
  page.on("request", (request) => sent.add(request.postDataJSON()?.operationName));
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => sent.add(JSON.parse(payload).payload?.operationName)),
  );
  return sent;
}

/** Runs the operation of a tab. GraphiQL reads a document a moment after it shows it, and says nowhere when it has. */
export async function run(page, sent, name) {
  while (!sent.has(name)) {
    await page.locator(".graphiql-execute-button").click();
    await page.waitForTimeout(500);
  }
}
