// Pictures as a canvas gives them to pictures as the encoder takes them: `tacref.resizing` says what
// a resized picture is, down to the byte.

const ROW_BITS = 16, COLUMN_BITS = 14; // of the weights
const LEVEL_BITS = 2; // kept of a level's fraction between the two

// Drop the alpha of RGBA pixels.
export function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  return rgb;
}

// Resize RGBA pixels to an RGB square of `size` pixels: rows first, then columns.
export function resize(rgba, width, height, size) {
  if (width === size && height === size) return toRgb(rgba);
  const rows = taps(height, size, 2 ** ROW_BITS), columns = taps(width, size, 2 ** COLUMN_BITS);
  const resized = new Uint8Array(3 * size * size), line = new Int32Array(4 * width);
  const rowShift = ROW_BITS - LEVEL_BITS, columnShift = COLUMN_BITS + LEVEL_BITS;
  for (let t = 0; t < size; t++) {
    line.fill(1 << (rowShift - 1)); // halves are rounded up
    rows[t].weights.forEach((weight, k) => addRow(line, rgba, (rows[t].first + k) * 4 * width, weight));
    for (let x = 0; x < line.length; x++) line[x] >>= rowShift;
    for (let u = 0; u < size; u++) {
      const { first, weights } = columns[u], to = 3 * (t * size + u);
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << (columnShift - 1);
        for (let k = 0; k < weights.length; k++) sum += weights[k] * line[4 * (first + k) + channel];
        resized[to + channel] = sum >> columnShift;
      }
    }
  }
  return resized;
}

function addRow(line, rgba, start, weight) {
  for (let x = 0; x < line.length; x++) line[x] += weight * rgba[start + x];
}

// The source pixels of each target pixel, and their weights, whole numbers that sum to `total`.
const taps = remembered((n, size, total) => {
  const reach = Math.max(n, size), made = [];
  for (let t = 0; t < size; t++) {
    const center = (2 * t + 1) * n;
    const first = Math.max(0, Math.floor((center - 2 * reach - size) / (2 * size)) + 1);
    const stop = Math.min(n, -Math.floor((size - center - 2 * reach) / (2 * size)));
    const shares = [];
    for (let s = first; s < stop; s++) shares.push(2 * reach - Math.abs((2 * s + 1) * size - center));
    const whole = shares.reduce((a, b) => a + b, 0);
    let part = 0, below = 0;
    const weights = shares.map((share) => {
      part += share;
      // Halves are rounded towards the middle: weights have the mirror symmetry of pictures.
      const half = 2 * part > whole ? 1 : 0;
      const upTo = Math.floor((2 * total * part + whole - half) / (2 * whole));
      const weight = upTo - below;
      below = upTo;
      return weight;
    });
    made.push({ first, weights: Int32Array.from(weights) });
  }
  return made;
});

// A function that keeps what it returned, for a video has one size.
function remembered(compute) {
  const known = new Map();
  return (...values) => {
    const key = values.join();
    if (!known.has(key)) known.set(key, compute(...values));
    return known.get(key);
  };
}
