// The token, where the server asks for one: as a header of requests, and as the payload of `connection_init` of sockets,
// which in a browser have no headers.

const token = process.env["COLLOQUY_TOKEN"];

export const credential: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
