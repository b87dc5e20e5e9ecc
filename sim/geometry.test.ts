import { describe, expect, test } from 'vitest';
import { faultOrders, SKF_6205, type BearingGeometry } from './geometry.js';

describe('faultOrders', () => {
  test('gives the orders that CWRU publishes for the 6205', () => {
    const orders = faultOrders(SKF_6205);
    expect(orders.bpfo).toBeCloseTo(3.5848, 3);
    expect(orders.bpfi).toBeCloseTo(5.4152, 3);
    expect(orders.ftf).toBeCloseTo(0.39828, 4);
    expect(2 * orders.bsf).toBeCloseTo(4.7135, 3);
  });

  test('shares the elements between the races: BPFO + BPFI = n, BPFO = n·FTF', () => {
    const size = { elementDiameter: 8, pitchDiameter: 50 };
    const orders = faultOrders({ ...size, elements: 12, contactAngleDegrees: 15 });
    expect(orders.bpfo + orders.bpfi).toBeCloseTo(12, 12);
    expect(orders.bpfo).toBeCloseTo(12 * orders.ftf, 12);
  });

  test.each<Partial<BearingGeometry>>([
    { elements: 2 },
    { elements: 9.5 },
    { elementDiameter: 0 },
    { elementDiameter: 2 },
    { pitchDiameter: Infinity },
    { contactAngleDegrees: 90 },
    { contactAngleDegrees: Number.NaN },
  ])('refuses the geometry %o', (bad) => {
    expect(() => faultOrders({ ...SKF_6205, ...bad })).toThrow(RangeError);
  });
});
