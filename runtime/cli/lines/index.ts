// NDJSON in and out of a store.

export { Batcher } from './batcher.js';
export { encodePayload } from './payload.js';
export { readLines, untilStopped, type Line } from './reader.js';
export { formatRecordLine, parseRecordLine, type Rows } from './record.js';
