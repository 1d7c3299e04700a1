// One long reply, followed through two hundred drops at random places by clients that know nothing but the text and
// cursor of the one before.

import assert from "node:assert/strict";

import { Follower, connect, createChat, send, stored } from "./follower.js";

const DROPS = 200;
const [url, seed] = process.argv.slice(2);

// mulberry32: the same seed drops at the same places.
let state = Number(seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

const { client } = connect(url);
const id = await send(client, await createChat(client), "समुद्र and the sea 🌊");

const follower = new Follower(id);
const places = [];
let drops = 0;
while (!follower.finished) {
  const { client, cut } = connect(url);
  let events = 1 + Math.floor(random() * 8);
  const isRude = random() < 0.5;
  try {
    await follower.follow(client, () => {
      places.push({ text: follower.text, cursor: follower.cursor });
      if (--events > 0 || drops >= DROPS) return false;
      // Half of the drops cut the line in the middle of things, the others say goodbye.
      if (isRude) cut();
      return true;
    });
  } catch (error) {
    if (!isRude) throw error;
  }
  drops++;
  await client.dispose();
}
const message = await stored(client, id);
assert.equal(message.reply.state, "COMPLETE");
assert.equal(follower.text, message.text);
assert.ok(drops > DROPS, `the reply was over after ${drops} drops`);
// Each text on the way was the beginning of the whole.
for (const { text } of places) assert.ok(message.text.startsWith(text));

// After the end, from two hundred places on the way.
for (let n = 0; n < DROPS; n++) {
  const late = new Follower(id);
  Object.assign(late, places[Math.floor(random() * places.length)]);
  await late.follow(client);
  assert.equal(late.text, message.text);
}
await client.dispose();
