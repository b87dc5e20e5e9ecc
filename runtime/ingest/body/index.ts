// Door of the wire body codec: CBOR and JSON bodies to typed requests and back.

export { bodyFormat, decodeIngest, decodeQuery } from './decode.js';
export {
  decodeReply,
  encodeIngestCbor,
  encodeIngestJson,
  encodeQueryCbor,
  encodeQueryJson,
  encodeReply,
} from './encode.js';
export type { IngestMessage, QueryMessage, WireVector } from './encode.js';
export { BODY_BYTES_CEILING, BODY_BYTES_MAX } from './limits.js';
export type {
  BodyFormat,
  Correlation,
  DecodeOptions,
  IngestRequest,
  QueryAnswer,
  QueryReply,
  QueryRequest,
  WireFilter,
} from './types.js';
