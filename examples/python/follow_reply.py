"""Says something and prints the reply as it comes, with gql over a WebSocket.

    python follow_reply.py http://127.0.0.1:8000 "Tell me about the sea"
"""

import asyncio
import os
import sys
import uuid

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError
from gql.transport.websockets import WebsocketsTransport

from patience import Patience
from reply import Reply
from screen import Screen

CREATE_CHAT = """
mutation CreateChat($input: CreateChatInput!) {
  createChat(input: $input) { chat { id } }
}"""
SEND_MESSAGE = """
mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) { reply { id } }
}"""
# The end does not ask for the text, which has been assembled by then: all of it at once could be longer than the
# 1 MiB that the library websockets takes in one message.
REPLY = """
subscription Reply($messageId: ID!, $after: String) {
  reply(messageId: $messageId, after: $after) {
    __typename
    ... on ReplySnapshot { text cursor }
    ... on ReplyPartial { text cursor }
    ... on ReplyFinished { cursor message { reply { state } } }
  }
}"""


# Where the server asks for a token: it goes into the payload of connection_init.
TOKEN = os.environ.get("COLLOQUY_TOKEN")
CREDENTIAL = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def connect(server: str) -> Client:
    """A client for one connection: the next one gets a new one, which has nothing of it left."""
    transport = WebsocketsTransport(
        url=server.replace("http", "ws", 1) + "/graphql",
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload=CREDENTIAL,
    )
    return Client(transport=transport)


async def execute(server: str, document: str, variables: dict) -> dict:
    async with connect(server) as session:
        return await session.execute(GraphQLRequest(document, variable_values=variables))


async def persist(server: str, document: str, variables: dict) -> dict:
    """Executes what can be repeated, again if need be."""
    patience = Patience()
    while True:
        try:
            return await execute(server, document, variables)
        except (TransportError, OSError, TimeoutError) as error:
            await patience.spend(error)


async def follow(server: str, message_id: str, screen: Screen) -> Reply:
    """Follows a reply to its end, over as many connections as that takes."""
    reply = Reply()
    patience = Patience()
    while reply.state is None:
        try:
            async with connect(server) as session:
                variables = {"messageId": message_id, "after": reply.cursor}
                async for data in session.subscribe(GraphQLRequest(REPLY, variable_values=variables)):
                    reply.apply(data["reply"])
                    screen.show(reply.text)
                    patience.renew()
            # Only `ReplyFinished` says that the reply has ended.
            if reply.state is None:
                raise TransportError("the stream ended before the reply")
        except (TransportError, OSError, TimeoutError) as error:
            await patience.spend(error)
    return reply


async def main(server: str = "http://127.0.0.1:8000", text: str = "Tell me about the sea") -> None:
    # Made twice, it would be an empty chat more.
    created = await persist(server, CREATE_CHAT, {"input": {"title": "From gql"}})
    # The key makes it safe to send again what may have arrived.
    message = {
        "chatId": created["createChat"]["chat"]["id"],
        "text": text,
        "clientKey": str(uuid.uuid4()),
    }
    sent = await persist(server, SEND_MESSAGE, {"input": message})
    reply = await follow(server, sent["sendMessage"]["reply"]["id"], Screen())
    print()
    print(f"[{reply.state}]", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
