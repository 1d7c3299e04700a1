"""The whole of what a client needs to follow a reply.

A snapshot replaces its text, a partial appends to it, the end ends it; and it keeps the latest cursor, to subscribe
after it when the line breaks.
"""


class Reply:
    """What a client has of one reply."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor: str | None = None
        # How it ended, or None while there is more to come.
        self.state: str | None = None

    def apply(self, event: dict) -> None:
        match event["__typename"]:
            case "ReplySnapshot":
                self.text = event["text"]
            case "ReplyPartial":
                self.text += event["text"]
            case "ReplyFinished":
                self.state = event["message"]["reply"]["state"]
        self.cursor = event["cursor"]
