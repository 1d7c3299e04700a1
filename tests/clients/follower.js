// The whole of what a client needs to follow a reply: a snapshot replaces its text, a partial appends to it, the end
// ends it; and it keeps the latest cursor.

import { createClient } from "graphql-ws";
import WebSocket from "ws";

export const REPLY = `subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
  ... on ReplySnapshot { text cursor message { id text } }
  ... on ReplyPartial { text cursor messageId }
  ... on ReplyFinished { cursor message { id text reply { state cursor } } } } }`;

/** A client with one socket of its own, which is at hand so that it can be cut. */
export function connect(url) {
  const sockets = [];
  const client = createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: class extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.push(this);
      }
    },
    retryAttempts: 0,
  });
  return { client, cut: () => sockets.forEach((socket) => socket.terminate()) };
}

/** Runs a query or mutation over the socket and returns its data. */
export async function run(client, query, variables) {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }
}

export async function createChat(client) {
  const mutation = `mutation { createChat(input: { title: "A chat" }) { chat { id } } }`;
  return (await run(client, mutation)).createChat.chat.id;
}

/** Sends a message and returns the id of the reply. */
export async function send(client, chatId, text, language) {
  const mutation = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }`;
  return (await run(client, mutation, { input: { chatId, text, language } })).sendMessage.reply.id;
}

export async function stop(client, messageId) {
  const mutation = `mutation ($id: ID!) { stopReply(input: { messageId: $id }) { message { text reply { state } } } }`;
  return (await run(client, mutation, { id: messageId })).stopReply.message;
}

export async function stored(client, id) {
  const query = `query ($id: ID!) { message(id: $id) { text reply { state cursor } } }`;
  return (await run(client, query, { id })).message;
}

/** What a client has of one reply. */
export class Follower {
  text = "";
  cursor = null;
  /** The message as it was stored in the end, or null while there is more to come. */
  finished = null;

  constructor(id) {
    this.id = id;
  }

  /** Applies one event. */
  apply(event) {
    if (this.finished) throw new Error("an event came after the end");
    if (event.__typename === "ReplySnapshot") this.text = event.text;
    if (event.__typename === "ReplyPartial") this.text += event.text;
    if (event.__typename === "ReplyFinished") this.finished = event.message;
    this.cursor = event.cursor;
  }

  /** Subscribes behind what it has, and applies events until the end or until `enough` says so after one. */
  async follow(client, enough = () => false) {
    const variables = { id: this.id, after: this.cursor };
    for await (const { data, errors } of client.iterate({ query: REPLY, variables })) {
      if (errors) throw new Error(JSON.stringify(errors));
      this.apply(data.reply);
      if (enough(data.reply)) return;
    }
  }
}
