// Says something and prints the reply as it comes, with Apollo Client: mutations over HTTP by the hash of their
// documents, subscriptions over a WebSocket.
//
//     npx tsx apollo.ts http://127.0.0.1:8000 "Tell me about the sea"

import { createHash, randomUUID } from "node:crypto";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";

import { CreateChatDocument, ReplyDocument, SendMessageDocument } from "./operations.ts";
import { persist } from "./patience.ts";
import { follow } from "./reply.ts";
import { Screen } from "./screen.ts";
import { connect } from "./sockets.ts";
import { credential } from "./token.ts";

const [server = "http://127.0.0.1:8000", text = "Tell me about the sea"] = process.argv.slice(2);

const sockets = connect(server);
const byHash = new PersistedQueryLink({
  sha256: (document) => createHash("sha256").update(document).digest("hex"),
});
const client = new ApolloClient({
  // Without a RetryLink: it would repeat a subscription with the cursor that it began with.
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(sockets),
    byHash.concat(new HttpLink({ uri: `${server}/graphql`, headers: credential })),
  ),
});

const chat = await client.mutate({
  mutation: CreateChatDocument,
  variables: { input: { title: "From Apollo Client" } },
});
// The key makes it safe to send again what may have arrived.
const input = { chatId: chat.data!.createChat.chat.id, text, clientKey: randomUUID() };
const sent = await persist(() => client.mutate({ mutation: SendMessageDocument, variables: { input } }));
const messageId = sent.data!.sendMessage.reply.id;

const screen = new Screen();
const reply = await follow(
  (after, apply) =>
    client
      // The cache has no use for pieces: each would replace the one before.
      .subscribe({ query: ReplyDocument, variables: { messageId, after }, fetchPolicy: "no-cache" })
      // A line that is cut is an event with an error, and not the error of the observable.
      .forEach(({ data, error }) => {
        if (error || !data) throw error;
        apply(data.reply);
      }),
  (text) => screen.show(text),
);
process.stdout.write("\n");
console.error(`[${reply.state}]`);
client.stop();
await sockets.dispose();
