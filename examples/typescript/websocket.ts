// Browsers, and Node.js from version 22 on, have a WebSocket of their own; elsewhere the package `ws` has one. It is
// made global, because Apollo's link looks for it there even if the client that it is given has another.

import { WebSocket } from "ws";

globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;
