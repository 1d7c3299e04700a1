// A line between a browser and the server that can be cut, and refused for a while.

import { connect, createServer } from "node:net";

export async function openLine(server) {
  let target = new URL(server);
  const sockets = new Set();
  let isRefusing = false;
  const proxy = createServer((near) => {
    if (isRefusing) return near.destroy();
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    /** Leads to another server from now on. */
    lead(server) {
      target = new URL(server);
    },
    refuse(isOn) {
      isRefusing = isOn;
      if (isOn) this.cut();
    },
    close() {
      this.cut();
      proxy.close();
    },
  };
}
