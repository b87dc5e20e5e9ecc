import { describe, expect, it } from 'vitest';
import { RveError, adviceOf, asRveError, isRveCode, rveError } from './index.js';

describe('RveError', () => {
  it('is an Error with a stable code and a name', () => {
    const error = new RveError('ERR_BUSY', 'held by pid 1');
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('RveError: held by pid 1');
    expect(error.code).toBe('ERR_BUSY');
    expect(Object.keys(error)).toEqual(['code']);
  });

  it('says what to do next in the words of status.def', () => {
    const error = rveError('ERR_CLOSED', 'Cannot query');
    expect(error.message).toBe(`Cannot query. Try: ${adviceOf('ERR_CLOSED')}`);
    expect(adviceOf('ERR_CLOSED')).toBe('open it again');
  });

  it('takes the code of a native error and calls what has none internal', () => {
    const native = Object.assign(new Error('no room'), { code: 'ERR_NO_SPACE' });
    expect(asRveError(native)).toMatchObject({ code: 'ERR_NO_SPACE', message: 'no room' });
    expect(asRveError(native).cause).toBe(native);
    expect(asRveError(new TypeError('x')).code).toBe('ERR_INTERNAL');
    expect(asRveError(Object.assign(new Error('x'), { code: 'ENOENT' })).code).toBe('ERR_INTERNAL');
    expect(asRveError(null).code).toBe('ERR_INTERNAL');
    const own = new RveError('ERR_IO', 'x');
    expect(asRveError(own)).toBe(own);
  });

  it('knows its codes from other texts', () => {
    expect(isRveCode('ERR_TIMEOUT')).toBe(true);
    expect(isRveCode('OK')).toBe(false);
    expect(isRveCode('toString')).toBe(false);
  });
});
