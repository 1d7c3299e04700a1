// A reply, followed from its beginning and from a cursor in its middle, and stopped before its end.

import assert from "node:assert/strict";

import { Follower, connect, createChat, send, stop, stored } from "./follower.js";

const { client } = connect(process.argv[2]);
const chat = await createChat(client);

for (const [text, language] of [
  ["Tell me about the sea and the 🌊", undefined],
  ["मुझे समुद्र के बारे में बताओ 👩‍👩‍👧", "hi"],
]) {
  const id = await send(client, chat, text, language);
  const live = new Follower(id);
  const seen = [];
  await live.follow(client, (event) => {
    seen.push({ text: live.text, cursor: event.cursor });
    return false;
  });
  const message = await stored(client, id);
  assert.equal(message.reply.state, "COMPLETE");
  assert.ok(message.text.includes(text), message.text);
  assert.equal(live.text, message.text);
  assert.equal(live.finished.text, message.text);
  assert.ok(seen.length > 3, "the reply came in pieces");

  // From each cursor that came, the rest follows, and nothing of it is sent as a snapshot again.
  for (const { text, cursor } of seen) {
    const late = new Follower(id);
    Object.assign(late, { text, cursor });
    await late.follow(client, (event) => assert.notEqual(event.__typename, "ReplySnapshot"));
    assert.equal(late.text, message.text);
    assert.equal(late.cursor, message.reply.cursor);
  }

  // A cursor of another text does not fit: a snapshot puts the client right.
  const other = new Follower(id);
  Object.assign(other, { text: "something else", cursor: "cgAAAAAAAAAO70bbN1HYopk" });
  await other.follow(client);
  assert.equal(other.text, message.text);
}

const id = await send(client, chat, "रुको मत", "hi");
const follower = new Follower(id);
let pieces = 0;
let stopped;
await follower.follow(client, () => {
  if (++pieces === 5) stopped = stop(client, id);
  return false;
});
const message = await stored(client, id);
assert.equal(message.reply.state, "STOPPED");
assert.equal(follower.finished.reply.state, "STOPPED");
assert.equal(follower.text, message.text);
assert.ok(message.text.length > 0);
assert.equal((await stopped).text, message.text);
// A second stop finds it stopped, and changes nothing.
assert.deepEqual(await stop(client, id), { text: message.text, reply: { state: "STOPPED" } });
await client.dispose();
