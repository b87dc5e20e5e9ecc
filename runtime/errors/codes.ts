// Generated from native/base/status.def by tools/gen_status.mjs (make generate). Do not edit.

/** Every error code of the product. Names and numbers are stable API. */
export type ErrorCode =
  | 'ERR_DIMENSIONS'
  | 'ERR_VECTOR'
  | 'ERR_ID_RANGE'
  | 'ERR_ID_TYPE'
  | 'ERR_ID_DUPLICATE'
  | 'ERR_OPTION'
  | 'ERR_NOT_AVAILABLE'
  | 'ERR_ARGUMENT'
  | 'ERR_PAYLOAD'
  | 'ERR_BATCH'
  | 'ERR_BUSY'
  | 'ERR_CLOSED'
  | 'ERR_READ_ONLY'
  | 'ERR_ABORTED'
  | 'ERR_NO_SPACE'
  | 'ERR_IO'
  | 'ERR_LATCHED'
  | 'ERR_CORRUPT'
  | 'ERR_NOT_A_STORE'
  | 'ERR_VERSION'
  | 'ERR_CONTRADICTION'
  | 'ERR_NOT_FOUND'
  | 'ERR_PERMISSION'
  | 'ERR_NO_MEMORY'
  | 'ERR_SYMBOLS'
  | 'ERR_NAME'
  | 'ERR_FILTER'
  | 'ERR_NOT_REGULAR'
  | 'ERR_TRUNCATED'
  | 'ERR_INTERNAL'
  | 'ERR_TOPIC'
  | 'ERR_BODY'
  | 'ERR_BODY_LIMIT'
  | 'ERR_CONFIG'
  | 'ERR_MQTT'
  | 'ERR_DATASET'
  | 'ERR_USAGE'
  | 'ERR_TIMEOUT';

/** One row of status.def. */
export interface StatusRow {
  readonly number: number;
  readonly code: ErrorCode;
  readonly meaning: string;
  readonly advice: string;
}

/** By number less one: number 0 is success, which is no error. */
export const STATUS_ROWS: readonly StatusRow[] = [
  {
    number: 1,
    code: 'ERR_DIMENSIONS',
    meaning: 'a vector\'s length differs from the memory\'s dimensions',
    advice: 'send vectors of the length that stats() reports',
  },
  {
    number: 2,
    code: 'ERR_VECTOR',
    meaning: 'a vector holds NaN or Inf, or is zero under the cosine metric',
    advice: 'check the sensor, or drop the window',
  },
  {
    number: 3,
    code: 'ERR_ID_RANGE',
    meaning: 'an id is negative, fractional or above 2^48 - 1',
    advice: 'give ids from 0 to 281474976710655',
  },
  {
    number: 4,
    code: 'ERR_ID_TYPE',
    meaning: 'ids are not a Float64Array or an array of numbers',
    advice: 'convert them, BigInt too, to numbers',
  },
  {
    number: 5,
    code: 'ERR_ID_DUPLICATE',
    meaning: 'an id occurs twice in one call',
    advice: 'send each id once a call; the later value wins across calls',
  },
  {
    number: 6,
    code: 'ERR_OPTION',
    meaning: 'an option is unknown or its value is out of range',
    advice: 'see the option table in the README',
  },
  {
    number: 7,
    code: 'ERR_NOT_AVAILABLE',
    meaning: 'the option belongs to a feature that this version does not have yet',
    advice: 'leave it out; CHANGELOG says when it comes',
  },
  {
    number: 8,
    code: 'ERR_ARGUMENT',
    meaning: 'an argument has the wrong type, length or value',
    advice: 'compare the call with its documentation',
  },
  {
    number: 9,
    code: 'ERR_PAYLOAD',
    meaning: 'a payload is larger than 64 KiB or cannot be encoded',
    advice: 'store large objects elsewhere and keep a reference',
  },
  {
    number: 10,
    code: 'ERR_BATCH',
    meaning: 'a batch is larger than the limit of this door',
    advice: 'split the batch',
  },
  {
    number: 11,
    code: 'ERR_BUSY',
    meaning: 'the memory has another user, or a queue is full',
    advice: 'stop the holder named in the message, or send again later',
  },
  {
    number: 12,
    code: 'ERR_CLOSED',
    meaning: 'the memory is closed or closing',
    advice: 'open it again',
  },
  {
    number: 13,
    code: 'ERR_READ_ONLY',
    meaning: 'the memory was opened read-only',
    advice: 'open it without readOnly, on a writable file system',
  },
  {
    number: 14,
    code: 'ERR_ABORTED',
    meaning: 'the call was cancelled, or its timeout passed, before it took effect',
    advice: 'call again',
  },
  {
    number: 15,
    code: 'ERR_NO_SPACE',
    meaning: 'the disk, or the file\'s byte limit, is full; nothing was stored',
    advice: 'free space or forget records, then send again',
  },
  {
    number: 16,
    code: 'ERR_IO',
    meaning: 'the device failed to read or write',
    advice: 'check the device; the system log names the fault',
  },
  {
    number: 17,
    code: 'ERR_LATCHED',
    meaning: 'an earlier write or sync failed, so the memory refuses writes',
    advice: 'close and open it again: recovery reads the device anew',
  },
  {
    number: 18,
    code: 'ERR_CORRUPT',
    meaning: 'stored bytes fail their checksum',
    advice: 'run rve check STORE, then rve check --repair STORE',
  },
  {
    number: 19,
    code: 'ERR_NOT_A_STORE',
    meaning: 'the file is not a ruvector-edge memory',
    advice: 'check the path; nothing was changed',
  },
  {
    number: 20,
    code: 'ERR_VERSION',
    meaning: 'the memory was written by a newer version with features unknown here',
    advice: 'update ruvector-edge; nothing was changed',
  },
  {
    number: 21,
    code: 'ERR_CONTRADICTION',
    meaning: 'an open option contradicts the existing memory',
    advice: 'leave the option out, or open another file',
  },
  {
    number: 22,
    code: 'ERR_NOT_FOUND',
    meaning: 'no such file',
    advice: 'check the path, or open without readOnly to create it',
  },
  {
    number: 23,
    code: 'ERR_PERMISSION',
    meaning: 'the file or its folder may not be used by this user',
    advice: 'check owner and mode of the file and its folder',
  },
  {
    number: 24,
    code: 'ERR_NO_MEMORY',
    meaning: 'an allocation failed',
    advice: 'lower the batch size, or give the process more memory',
  },
  {
    number: 25,
    code: 'ERR_SYMBOLS',
    meaning: 'the memory has as many source or label names as it can hold',
    advice: 'reuse names; names are kinds, not values',
  },
  {
    number: 26,
    code: 'ERR_NAME',
    meaning: 'a source or label name is empty, too long or not UTF-8',
    advice: 'use 1 to 256 bytes of UTF-8',
  },
  {
    number: 27,
    code: 'ERR_FILTER',
    meaning: 'a filter has an unknown key or a bad value',
    advice: 'use source, label, from and to',
  },
  {
    number: 28,
    code: 'ERR_NOT_REGULAR',
    meaning: 'the path is a link, folder, pipe or device',
    advice: 'give the path of a regular file',
  },
  {
    number: 29,
    code: 'ERR_TRUNCATED',
    meaning: 'the file ends before its data do',
    advice: 'restore it, or run rve check --repair STORE',
  },
  {
    number: 30,
    code: 'ERR_INTERNAL',
    meaning: 'a promise of the program to itself was broken',
    advice: 'report it with the message',
  },
  {
    number: 31,
    code: 'ERR_TOPIC',
    meaning: 'an MQTT topic is not one of this node\'s',
    advice: 'publish to rve/<node>/ingest/<source>',
  },
  {
    number: 32,
    code: 'ERR_BODY',
    meaning: 'a message body is not valid CBOR or JSON, or lacks a key',
    advice: 'compare it with the wire section of the README',
  },
  {
    number: 33,
    code: 'ERR_BODY_LIMIT',
    meaning: 'a message body is larger, deeper or longer than the limits',
    advice: 'send smaller messages',
  },
  {
    number: 34,
    code: 'ERR_CONFIG',
    meaning: 'the configuration has an unknown key or a bad value',
    advice: 'mend the key named in the message',
  },
  {
    number: 35,
    code: 'ERR_MQTT',
    meaning: 'the MQTT connection failed or was refused',
    advice: 'check the URL, the credentials and the broker\'s log',
  },
  {
    number: 36,
    code: 'ERR_DATASET',
    meaning: 'a data set is missing or not of the expected form',
    advice: 'check the path against the README\'s data section',
  },
  {
    number: 37,
    code: 'ERR_USAGE',
    meaning: 'the command line is wrong',
    advice: 'run rve help',
  },
  {
    number: 38,
    code: 'ERR_TIMEOUT',
    meaning: 'a peer did not answer in time',
    advice: 'check that it runs, then try again',
  },
];
