/** Geometry of a rolling element bearing. Lengths in one unit, whichever. */
export interface BearingGeometry {
  /** Rolling elements, 3..100. */
  readonly elements: number;
  /** Diameter of an element; above 0 and below the pitch diameter. */
  readonly elementDiameter: number;
  /** Diameter of the circle through the elements' centres. */
  readonly pitchDiameter: number;
  /** Angle between load and radial plane, 0..60 degrees. */
  readonly contactAngleDegrees: number;
}

/** How often each defect strikes a revolution of the shaft (orders), outer ring at rest. */
export interface FaultOrders {
  /** Ball pass frequency, outer race. */
  readonly bpfo: number;
  /** Ball pass frequency, inner race. */
  readonly bpfi: number;
  /** Ball spin frequency: a spot on an element strikes twice a spin, once on each race. */
  readonly bsf: number;
  /** Fundamental train frequency: turns of the cage. */
  readonly ftf: number;
}

/**
 * SKF 6205-2RS JEM, the drive-end bearing of the CWRU rig, in inches as that site gives it
 * (elements 0.3126, pitch 1.537). CWRU's table: BPFO 3.5848, BPFI 5.4152, FTF 0.39828 and
 * "rolling element" 4.7135 = 2·BSF times the running speed.
 */
export const SKF_6205: BearingGeometry = {
  elements: 9,
  elementDiameter: 0.3126,
  pitchDiameter: 1.537,
  contactAngleDegrees: 0,
};

/**
 * Orders by pure rolling (Randall and Antoni 2011, equations 1 to 4, which assume no slip; real
 * ones differ by 1 to 2 %). With r = d·cos(angle)/D: BPFO = n/2·(1 - r), BPFI = n/2·(1 + r),
 * FTF = (1 - r)/2, BSF = D/(2d)·(1 - r^2). Refuses an impossible geometry with a RangeError.
 */
export function faultOrders(geometry: BearingGeometry): FaultOrders {
  const { elements, elementDiameter, pitchDiameter, contactAngleDegrees } = geometry;
  if (!Number.isInteger(elements) || elements < 3 || elements > 100) {
    throw new RangeError(`geometry.elements is ${elements}: give a whole number from 3 to 100`);
  }
  if (!(elementDiameter > 0 && elementDiameter < pitchDiameter && pitchDiameter < Infinity)) {
    throw new RangeError(
      `geometry: an element of ${elementDiameter} does not fit a pitch circle of ${pitchDiameter}`,
    );
  }
  if (!(contactAngleDegrees >= 0 && contactAngleDegrees <= 60)) {
    throw new RangeError(`geometry.contactAngleDegrees is ${contactAngleDegrees}: give 0 to 60`);
  }
  const r = (elementDiameter / pitchDiameter) * Math.cos((contactAngleDegrees * Math.PI) / 180);
  return {
    bpfo: (elements / 2) * (1 - r),
    bpfi: (elements / 2) * (1 + r),
    bsf: (pitchDiameter / (2 * elementDiameter)) * (1 - r * r),
    ftf: (1 - r) / 2,
  };
}
