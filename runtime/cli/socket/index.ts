// The side door of a running daemon: a Unix socket beside the store.

export { connectSocket, type SocketClient } from './client.js';
export { socketPathOf } from './protocol.js';
export { startSocketServer, type SocketServer } from './server.js';
