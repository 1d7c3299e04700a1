// The two documented browser hooks as small state machines, in a browser and over a real socket.

/** What both do with the frames of a stream; whether this was one. */
function stream(bubbles, frame) {
  if (frame.start) {
    bubbles.push({ id: frame.start, text: "", isStreaming: true });
  } else if (frame.partial) {
    for (const bubble of bubbles) if (bubble.id === frame.uuid) bubble.text += frame.partial;
  } else if (frame.stop) {
    for (const bubble of bubbles) if (bubble.id === frame.stop) bubble.isStreaming = false;
  } else {
    return false;
  }
  return true;
}

class Hook {
  constructor(address) {
    this.bubbles = [];
    this.frames = 0;
    this.isTyping = false;
    this.opened = new Promise((opened) => {
      this.socket = new WebSocket(address);
      this.socket.onopen = () => opened();
    });
    this.socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      this.on(frame);
      this.frames += 1;
      this.last = frame.mt;
    };
  }

  upload(frame) {
    this.isTyping = true;
    this.last = undefined;
    this.socket.send(JSON.stringify({ mt: "message_upload", userId: "1", timezone: "UTC", selectedLanguage: "en", ...frame }));
  }
}

/** Any frame ends typing; those of a user are dropped, and any other with words in it is a bubble. */
class Early extends Hook {
  on(frame) {
    this.isTyping = false;
    if (frame.isBot === false || stream(this.bubbles, frame)) return;
    if (frame.message) this.bubbles.push({ text: frame.message });
  }

  say(message) {
    this.upload({ message, content: message, timestamp: new Date().toISOString(), documentId: null });
  }
}

/** Only what it knows: streams, the bot's confirmation, errors. */
class Late extends Hook {
  on(frame) {
    if (stream(this.bubbles, frame)) {
      this.isTyping = false;
    } else if (frame.mt === "message_upload_confirm" && frame.isBot) {
      this.bubbles.push({ text: frame.message });
    } else if (frame.mt === "error") {
      this.isTyping = false;
    }
  }

  say(message) {
    this.upload({ message, documentId: "", useWebSearch: false });
  }
}

window.hooks = { Early, Late };
