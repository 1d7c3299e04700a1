"""Says something in a chat over the documented socket, and prints what comes of it.

    python mt_client.py ws://127.0.0.1:8000 CHAT_ID "Tell me about the sea"

It needs the library `websockets`; and a token in the variable COLLOQUY_TOKEN, where the server asks for one. The first
five frames are printed field by field, as the documented example does; then the reply, as it comes. When the line breaks,
or the server goes down and says so, it goes on behind the last frame that had a cursor.
"""

import asyncio
import json
import os
import random
import sys
import uuid

import websockets

TOKEN = os.environ.get("COLLOQUY_TOKEN")
CREDENTIAL = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
FRAMES_PRINTED = 5
FAILURES_MAX = 10
PAUSE_SECONDS = 0.2
PAUSE_SECONDS_MAX = 10


class Conversation:
    def __init__(self, text: str) -> None:
        self.upload = {
            "mt": "message_upload",
            "message": text,
            "userId": "1",
            "timezone": "UTC",
            "selectedLanguage": "en",
            # Sent again under its name, it is stored and answered once.
            "clientMessageId": str(uuid.uuid4()),
        }
        self.reply = ""
        self.cursor = ""
        self.count = 0

    async def go_on(self, url: str) -> None:
        """Talks over one connection until the reply has ended."""
        after = f"?after={self.cursor}" if self.cursor else ""
        async with websockets.connect(url + after, max_size=None, additional_headers=CREDENTIAL) as socket:
            if not self.cursor:
                await socket.send(json.dumps(self.upload))
            async for data in socket:
                frame = json.loads(data)
                self.take(frame)
                if frame["mt"] == "stop_typing_indicator":
                    return
        raise ConnectionError("the socket was closed before the reply had ended")

    def take(self, frame: dict) -> None:
        self.count += 1
        if self.count <= FRAMES_PRINTED:
            fields = (frame.get(name) for name in ("mt", "message", "isBot", "timestamp"))
            print(self.count, *fields, sep=" | ")
        # One stream of text per reply: begun by `start`, continued by `partial`, ended by `stop`.
        if "start" in frame:
            self.reply = ""
        self.reply += frame.get("partial", "")
        self.cursor = frame.get("cursor", self.cursor)
        if frame["mt"] == "error":
            sys.exit(frame["message"])


async def main(server: str, chat: str, text: str) -> None:
    conversation = Conversation(text)
    failures = 0
    while True:
        count = conversation.count
        try:
            await conversation.go_on(f"{server}/chat/ws/{chat}")
            break
        except (OSError, websockets.WebSocketException) as error:
            failures = 1 if conversation.count > count else failures + 1
            if failures == FAILURES_MAX:
                raise
            print(f"[trying again: {error}]", file=sys.stderr)
            pause = min(PAUSE_SECONDS * 2**failures, PAUSE_SECONDS_MAX)
            await asyncio.sleep(pause * random.uniform(0.5, 1))
    print(f"{conversation.count} frames")
    print(conversation.reply)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
