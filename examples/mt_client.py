"""Says something in a chat over the documented socket, and prints what comes of it.

    python mt_client.py ws://127.0.0.1:8000 CHAT_ID "Tell me about the sea"

It needs the library `websockets`. The first five frames are printed field by field, as the documented example does;
then the reply, as it comes.
"""

import asyncio
import json
import sys

import websockets

FRAMES_PRINTED = 5


async def main(server: str, chat: str, text: str) -> None:
    async with websockets.connect(f"{server}/chat/ws/{chat}", max_size=None) as socket:
        await socket.send(
            json.dumps(
                {
                    "mt": "message_upload",
                    "message": text,
                    "userId": "1",
                    "timezone": "UTC",
                    "selectedLanguage": "en",
                }
            )
        )
        reply = ""
        count = 0
        async for data in socket:
            frame = json.loads(data)
            count += 1
            if count <= FRAMES_PRINTED:
                fields = (frame.get(name) for name in ("mt", "message", "isBot", "timestamp"))
                print(count, *fields, sep=" | ")
            # One stream of text per reply: begun by `start`, continued by `partial`, ended by `stop`.
            reply += frame.get("partial", "")
            if frame["mt"] == "error":
                sys.exit(frame["message"])
            if frame["mt"] == "stop_typing_indicator":
                break
        print(f"{count} frames")
        print(reply)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
