// A small writer of line and point charts. Axes linear or logarithmic; no library.

const WIDTH = 720,
  HEIGHT_MIN = 420;
/** Between two lines of the legend. */
const LINE = 17;
const LEFT = 84,
  RIGHT = 190,
  TOP = 44,
  BOTTOM = 56;
const COLOURS = ['#0b6bcb', '#d1495b', '#2e8b57', '#b8860b', '#6a4c93', '#008b8b', '#8b4513'];

const escaped = (text) =>
  String(text).replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c],
  );

function label(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(4)));
}

/**
 * Round steps between low and high, about `count` of them; all powers of ten (and 2, 5) on a log
 * axis.
 */
function ticks(low, high, log, count = 6) {
  const out = [];
  if (log) {
    const wide = Math.log10(high / low) > 3;
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const m of wide ? [1] : high / low < 5 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : [1, 2, 5]) {
        const value = m * 10 ** e;
        if (value >= low * 0.999 && value <= high * 1.001) out.push(value);
      }
    }
    return out;
  }
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  for (let i = first; i * step <= high + step * 1e-9; i++) out.push(i * step);
  return out;
}

function scale(values, { log = false, from, to }, a, b) {
  const finite = values.filter((v) => Number.isFinite(v) && (!log || v > 0));
  let low = from ?? Math.min(...finite),
    high = to ?? Math.max(...finite);
  if (low === high) {
    low = log ? low / 2 : low - 1;
    high = log ? high * 2 : high + 1;
  } else if (log) {
    low = from ?? low / 1.15;
    high = to ?? high * 1.15;
  } else {
    const margin = (high - low) * 0.06;
    low = from ?? (low >= 0 && low - margin < 0 ? 0 : low - margin);
    high = to ?? high + margin;
  }
  const f = log ? Math.log : (v) => v;
  const at = (v) => a + ((f(v) - f(low)) / (f(high) - f(low))) * (b - a);
  return { at, low, high, ticks: ticks(low, high, log) };
}

/**
 * A chart as SVG text. `series`: [{ name, points: [[x, y], ...] }]; `x`, `y`: { title, log, from,
 * to }; `target`: { y | x, text } draws a dashed line. A series that is `strong` is drawn thicker;
 * `look` counts through the colours, its place in the list unless given.
 */
export function chart({ title, subtitle = '', series, x, y, target }) {
  const height = Math.max(HEIGHT_MIN, TOP + series.length * LINE + BOTTOM);
  const right = WIDTH - RIGHT,
    bottom = height - BOTTOM;
  const all = series.flatMap((s) => s.points);
  const xs = scale([...all.map((p) => p[0]), ...(target?.x ? [target.x] : [])], x, LEFT, right);
  const ys = scale([...all.map((p) => p[1]), ...(target?.y ? [target.y] : [])], y, bottom, TOP);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"`,
    ` height="${height}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="18" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    `<text x="${LEFT}" y="34" font-size="11" fill="#666">${escaped(subtitle)}</text>`,
  ];
  for (const t of ys.ticks) {
    const at = ys.at(t).toFixed(1);
    parts.push(
      `<path d="M${LEFT} ${at}H${right}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${label(t)}</text>`,
    );
  }
  for (const t of xs.ticks) {
    const at = xs.at(t).toFixed(1);
    parts.push(
      `<path d="M${at} ${TOP}V${bottom}" stroke="#eee"/>`,
      `<text x="${at}" y="${bottom + 18}" text-anchor="middle">${label(t)}</text>`,
    );
  }
  parts.push(
    `<path d="M${LEFT} ${TOP}V${bottom}H${right}" fill="none" stroke="#444"/>`,
    `<text x="${(LEFT + right) / 2}" y="${height - 14}" text-anchor="middle">`,
    `${escaped(x.title)}</text>`,
    `<text transform="translate(18 ${(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">`,
    `${escaped(y.title)}</text>`,
    ...targetLine(target, xs, ys, right, bottom),
    ...series.flatMap((s, i) => drawn(s, i, xs, ys, right)),
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}

function targetLine(target, xs, ys, right, bottom) {
  if (target === undefined) return [];
  const across = target.y !== undefined;
  const at = (across ? ys.at(target.y) : xs.at(target.x)).toFixed(1);
  const path = across ? `M${LEFT} ${at}H${right}` : `M${at} ${TOP}V${bottom}`;
  const place = across
    ? `x="${right + 8}" y="${Number(at) + 4}"`
    : `x="${Number(at) + 4}" y="${TOP + 12}"`;
  return [
    `<path d="${path}" stroke="#c00" stroke-dasharray="6 4"/>`,
    `<text ${place} fill="#c00" font-size="11">${escaped(target.text)}</text>`,
  ];
}

function drawn({ name, points, strong = false, look }, place, xs, ys, right) {
  const index = look ?? place;
  const colour = COLOURS[index % COLOURS.length];
  // Beyond the colours, dashes and rings tell the series apart.
  const again = index >= COLOURS.length;
  const dash = again ? ` stroke-dasharray="${index >= 2 * COLOURS.length ? '2 3' : '7 3'}"` : '';
  const shown = points.filter((p) => p.every(Number.isFinite));
  const places = shown.map(([px, py]) => [xs.at(px).toFixed(1), ys.at(py).toFixed(1)]);
  const line = places.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px} ${py}`).join('');
  const y = TOP + 10 + place * LINE;
  const width = strong ? 3.2 : 1.6;
  const fill = again ? '#fff' : colour;
  const mark = (px, py) =>
    `<circle cx="${px}" cy="${py}" r="${strong ? 4 : 3}" fill="${fill}" stroke="${colour}"/>`;
  return [
    `<path d="${line}" fill="none" stroke="${colour}" stroke-width="${width}"${dash}/>`,
    ...(places.length > 60 ? [] : places.map(([px, py]) => mark(px, py))),
    `<path d="M${right + 10} ${y - 4}h18" stroke="${colour}" stroke-width="${width}"${dash}/>`,
    mark(right + 19, y - 4),
    `<text x="${right + 34}" y="${y}" font-size="11">${escaped(name)}</text>`,
  ];
}
