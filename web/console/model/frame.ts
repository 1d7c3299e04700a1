// Doing something once for each frame that is drawn, however often it is asked for.

const asked = new Set<() => void>();

/** A hidden page draws no frames, but what it knows must not fall behind for long. */
const HIDDEN_MS = 250;

export function nextFrame(action: () => void): void {
  if (asked.size === 0) {
    if (document.hidden) setTimeout(run, HIDDEN_MS);
    else requestAnimationFrame(run);
  }
  asked.add(action);
}

function run(): void {
  const actions = [...asked];
  asked.clear();
  for (const action of actions) action();
}
