// Talks in several chats at once, through whatever stands between it and servers that come and go, until its standard
// input ends; then it prints what was acknowledged and what was seen. An application that uses graphql-ws as it comes
// should notice nothing: what it would have been shown as an error is in `errors`.

import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { REPLY, createChat, run } from "./follower.js";

const RETRIES_MAX = 50;
const CATCH_UP_MS_MAX = 20_000;
// Whether each server tells what happens on the others.
const [url, chats, isShared] = process.argv.slice(2);

let isOver = false;
process.stdin.resume();
const told = once(process.stdin, "end").then(() => (isOver = true));

const report = { messages: [], written: [], replies: [], errors: [], closes: [], repeated: 0 };

function connect() {
  return createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    on: { closed: (event) => report.closes.push(event.code) },
  });
}

/** Sends a request that may be sent again, until it is answered. */
async function persist(query, variables) {
  for (let retries = 0; ; retries++) {
    const problem = await post(query, variables).catch((error) => ({ passing: String(error.cause ?? error) }));
    if (problem.data) return problem.data;
    if (!problem.passing || retries === RETRIES_MAX) throw new Error(JSON.stringify(problem));
    report.repeated++;
    await setTimeout(100 + 100 * Math.random());
  }
}

async function post(query, variables) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  if (response.status >= 500) return { passing: response.status };
  const { data, errors } = await response.json();
  if (!errors) return { data };
  const code = errors[0].extensions.code;
  return { [["SHUTTING_DOWN", "UNAVAILABLE"].includes(code) ? "passing" : "final"]: code };
}

/** Subscribes to the end; where the library does so again by itself, behind the cursor that came last. */
function subscribe(client, query, variables, apply) {
  return new Promise((resolve) => {
    let cursor = null;
    client.subscribe(
      {
        query,
        variables: {
          ...variables,
          get after() {
            return cursor;
          },
        },
      },
      {
        next({ data, errors }) {
          if (errors) return this.error(errors);
          const event = Object.values(data)[0];
          apply(event);
          cursor = event.cursor;
        },
        error(error) {
          report.errors.push(`a subscription: ${JSON.stringify(error?.code ?? error)} ${error?.message ?? ""}`);
          resolve();
        },
        complete: resolve,
      },
    );
  });
}

/** Assembles texts by the documented rule. */
class Texts {
  #texts = new Map();

  /** Applies an event; the message of the end, if it is one. */
  apply(event) {
    const id = event.messageId ?? event.message?.id;
    if (event.__typename === "ReplySnapshot") this.#texts.set(id, event.text);
    if (event.__typename === "ReplyPartial") this.#texts.set(id, (this.#texts.get(id) ?? "") + event.text);
    if (event.__typename !== "ReplyFinished") return;
    // Of one that ended between two connections there may have been nothing before the end.
    const text = this.#texts.get(id) ?? "";
    if (text !== event.message.text) report.errors.push(`${id}: "${text}" is not "${event.message.text}"`);
    return event.message;
  }
}

const SEND = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } reply { id } } }`;
const CHAT = `subscription ($id: ID!, $after: String) { chat(id: $id, after: $after) { __typename
  ... on ChatResync { cursor } ... on MessageAdded { cursor added: message { id } } ... on MessageUpdated { cursor }
  ... on MessageDeleted { cursor } ... on ChatUpdated { cursor } ... on ChatDeleted { cursor }
  ... on TypingChanged { cursor } ... on ReplySnapshot { text cursor message { id } }
  ... on ReplyPartial { text cursor messageId } ... on ReplyFinished { cursor message { id text reply { state } } } } }`;
const IDS = `query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) {
  nodes { id } pageInfo { hasNextPage endCursor } } } }`;

/** Watches a chat as a page does: every message that is told, and all of them where nothing of before is told. */
function watch(client, id) {
  const [seen, texts] = [new Set(), new Texts()];
  let reading = Promise.resolve();
  const read = async () => {
    for (let after = null, page = { hasNextPage: true }; page.hasNextPage; after = page.endCursor) {
      const { messages } = (await persist(IDS, { id, after })).chat;
      messages.nodes.forEach((node) => seen.add(node.id));
      page = messages.pageInfo;
    }
  };
  subscribe(client, CHAT, { id }, (event) => {
    if (event.__typename === "ChatResync") reading = reading.then(read);
    if (event.added) seen.add(event.added.id);
    const finished = texts.apply(event);
    if (finished) seen.add(finished.id);
  });
  return {
    /** Waits until all of these were seen. */
    async catchUp(ids) {
      const deadline = Date.now() + CATCH_UP_MS_MAX;
      const missing = () => ids.filter((id) => !seen.has(id));
      while (missing().length > 0 && Date.now() < deadline) await setTimeout(50);
      if (missing().length > 0) report.errors.push(`never seen in ${id}: ${missing()}`);
    },
  };
}

/** Says one thing after the other, each when the reply to the last is there. */
async function converse(n) {
  const client = connect();
  const chat = await createChat(client);
  const view = watch(client, chat);
  const ids = [];
  for (let nth = 0; !isOver; nth++) {
    const [text, clientKey] = [`message ${n}.${nth} 🌊 संदेश`, randomUUID()];
    const { message, reply } = (await persist(SEND, { input: { chatId: chat, text, clientKey } })).sendMessage;
    report.messages.push({ chat, id: message.id, text });
    ids.push(message.id, reply.id);
    const texts = new Texts();
    let end;
    await subscribe(client, REPLY, { id: reply.id }, (event) => {
      end = texts.apply(event);
    });
    report.replies.push({ id: reply.id, text: end?.text, state: end?.reply.state });
  }
  if (isShared) await view.catchUp(ids);
  await client.dispose();
}

/** Writes over the socket, without a key: what goes elsewhere must not have been done here. */
async function write() {
  const client = connect();
  const chat = await createChat(client);
  const create = `mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }`;
  for (let nth = 0; !isOver; nth++) {
    const text = `written ${nth}`;
    try {
      const { createMessage } = await run(client, create, { input: { chatId: chat, text } });
      report.written.push({ chat, id: createMessage.message.id, text });
    } catch (error) {
      report.errors.push(`${text}: ${JSON.stringify(error?.code ?? error)} ${error?.message ?? ""}`);
    }
    await setTimeout(5);
  }
  await client.dispose();
}

const work = Array.from({ length: Number(chats) }, (_, n) => converse(n));
work.push(write());
console.log("begun");
await Promise.all(work);
await told;
console.log(JSON.stringify(report));
