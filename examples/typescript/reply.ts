// The whole of what a client needs to follow a reply: a snapshot replaces its text, a partial appends to it, the end
// ends it; and it keeps the latest cursor, to subscribe after it when the line breaks.

import type { ReplyState, ReplySubscription } from "./operations.ts";
import { Patience } from "./patience.ts";

export type ReplyEvent = ReplySubscription["reply"];

/** What a client has of one reply. */
export class Reply {
  text = "";
  cursor: string | null = null;
  /** How it ended, or null while there is more to come. */
  state: ReplyState | null = null;

  apply(event: ReplyEvent) {
    switch (event.__typename) {
      case "ReplySnapshot":
        this.text = event.text;
        break;
      case "ReplyPartial":
        this.text += event.text;
        break;
      case "ReplyFinished":
        this.state = event.message.reply?.state ?? "COMPLETE";
        break;
      default:
        // Another kind of event in the schema is an error here.
        event satisfies never;
    }
    this.cursor = event.cursor;
  }
}

/**
 * Follows a reply to its end, over as many subscriptions as that takes. `subscribe` makes one: it hands on each event
 * as it comes, before it looks for the next, and is done when there are no more, for whatever reason.
 */
export async function follow(
  subscribe: (after: string | null, apply: (event: ReplyEvent) => void) => Promise<void>,
  show: (text: string) => void,
): Promise<Reply> {
  const reply = new Reply();
  const patience = new Patience();
  while (!reply.state) {
    try {
      await subscribe(reply.cursor, (event) => {
        reply.apply(event);
        show(reply.text);
        patience.renew();
      });
      // Some libraries take a line that was cut for a stream that is over. Only `ReplyFinished` says that it is.
      if (!reply.state) throw new Error("the stream ended before the reply");
    } catch (error) {
      await patience.spend(error);
    }
  }
  return reply;
}
