// Debian's Chromium, for which no name leads anywhere: it reaches this machine alone.
import { chromium } from "playwright-core";

const OPTIONS = {
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
};

/** Starts it. On a busy machine it may die as it starts, before it has seen a page; then once more. */
export const launch = (executablePath) =>
  chromium
    .launch({ executablePath, ...OPTIONS })
    .catch(() => chromium.launch({ executablePath, ...OPTIONS }));
