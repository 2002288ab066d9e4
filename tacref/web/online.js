// Alignment while a video runs: `tacref.alignment.OnlineAligner` for its default steps, and for the
// costs "sqeuclidean" and "cosine". Same computation in the same order; a test holds both against
// each other.

export const COSTS = ["sqeuclidean", "cosine"];
// What these are for is said in tacref/alignment/online.py and tacref/kernels/online.py.
const NEAR_SHARE = 0.05;
const MAX_RECENT_COST = 2;
const COST_RESOLUTION = 0.1;
const NEGLIGIBLE_GAMMAS = 40;
const MAX_ABSOLUTE_VALUE = 1e140;

// Follow a performer through a reference, frame by frame: open-end DTW, exact.
export class OnlineAligner {
  #rows; #n; #d; #phases; #openBegin; #cosine; #recentFrames;
  #limit; #gamma; #radius;
  #totals; // accumulated costs of the last frame, along the reference
  #framesSeen = 0;
  #recentCost = 0;

  // `reference`: embeddings of its frames, row after row, d numbers each (Float32Array or
  // Float64Array). `phases`: of each frame, null for none; or null if there are no phases.
  constructor(reference, d, options = {}) {
    const { phases = null, openBegin = false, cost = "sqeuclidean", tolerance = 0.5, recentFrames = 10 } = options;
    const n = reference.length / d;
    if (!(Number.isInteger(d) && d > 0 && Number.isInteger(n) && n > 0)) {
      throw new Error("reference must hold rows of d numbers, not empty, got " + reference.length + " and d = " + d);
    }
    check(reference, "reference");
    if (phases !== null && phases.length !== n) {
      throw new Error("phases must be " + n + ", one per frame, got " + phases.length);
    }
    if (!COSTS.includes(cost)) throw new Error("cost must be one of " + COSTS.join(", ") + ", got " + cost);
    if (!(tolerance > 0)) throw new Error("tolerance must be > 0, got " + tolerance);
    if (!(recentFrames >= 1)) throw new Error("recentFrames must be >= 1, got " + recentFrames);
    this.#cosine = cost === "cosine";
    this.#rows = this.#cosine ? halfUnitRows(reference, d) : reference;
    this.#n = n;
    this.#d = d;
    this.#phases = phases;
    this.#openBegin = openBegin;
    this.#recentFrames = recentFrames;
    const spread = meanCost(this.#rows, n, d);
    this.#limit = tolerance * spread;
    this.#gamma = COST_RESOLUTION * spread || 1;
    this.#radius = Math.floor(NEAR_SHARE * n);
    this.#totals = new Float64Array(n);
  }

  get framesSeen() { return this.#framesSeen; }

  // Forget all frames: the next one is the first.
  reset() {
    this.#framesSeen = 0;
    this.#recentCost = 0;
  }

  // Take the next frame's embedding; return where the performer is now: `frame` of the reference,
  // its `phase` (null if none, or off the script), `confidence` in [0, 1], `cost` of the cheapest
  // alignment of all frames so far, `localCost` of this one, and `offScript`.
  update(embedding) {
    if (embedding.length !== this.#d) {
      throw new Error("embedding must have " + this.#d + " numbers, got " + embedding.length);
    }
    check(embedding, "embedding");
    const row = this.#cosine ? halfUnitRows(embedding, this.#d) : embedding;
    const [frame, localCost] = this.#advance(row);
    this.#framesSeen += 1;
    // The mean of the first frames, then a moving average.
    const frames = Math.min(this.#recentFrames, this.#framesSeen);
    this.#recentCost += (localCost - this.#recentCost) / frames;
    if (this.#limit > 0) { // else who was far away would be long in coming back
      this.#recentCost = Math.min(this.#recentCost, MAX_RECENT_COST * this.#limit);
    }
    const excess = (frames * (this.#recentCost - this.#limit)) / this.#gamma;
    const onScript = 0.5 - 0.5 * Math.tanh(0.5 * excess);
    const offScript = this.#recentCost > this.#limit;
    return {
      frame,
      phase: this.#phases === null || offScript ? null : this.#phases[frame],
      confidence: onScript * this.#shareNear(frame),
      cost: this.#totals[frame],
      localCost,
      offScript,
    };
  }

  // Replace the accumulated costs of the frame before by those of a new one; return where the
  // cheapest alignment ends, the first of several, and the cost of the new frame there.
  #advance(row) {
    const first = this.#framesSeen === 0, totals = this.#totals;
    let best = 0, bestTotal = Infinity, bestCost = 0;
    let diagonal = Infinity, left = Infinity;
    for (let j = 0; j < this.#n; j++) {
      let before;
      if (first) before = this.#openBegin || j === 0 ? 0 : left;
      else before = Math.min(totals[j], diagonal, left);
      diagonal = totals[j];
      const cost = squaredDistance(this.#rows, j * this.#d, row);
      // eq. 2: r(i, j) = D(i, j) + min{ ... }
      left = totals[j] = cost + before;
      if (left < bestTotal) [best, bestTotal, bestCost] = [j, left, cost];
    }
    return [best, bestCost];
  }

  // Share of the weight exp(-R / gamma) of all ends that lies near the best one.
  #shareNear(best) {
    const least = this.#totals[best];
    let near = 0, total = 0;
    for (let j = 0; j < this.#n; j++) {
      const excess = (this.#totals[j] - least) / this.#gamma;
      if (excess < NEGLIGIBLE_GAMMAS) {
        const weight = Math.exp(-excess);
        total += weight;
        if (Math.abs(j - best) <= this.#radius) near += weight;
      }
    }
    return near / total;
  }
}

function check(numbers, name) {
  for (const number of numbers) { // false for NaN, too
    if (!(Math.abs(number) <= MAX_ABSOLUTE_VALUE)) {
      throw new Error(name + " must be finite and at most " + MAX_ABSOLUTE_VALUE + ", got " + number);
    }
  }
}

function squaredDistance(rows, start, row) {
  let sum = 0;
  for (let k = 0; k < row.length; k++) {
    const difference = rows[start + k] - row[k];
    sum += difference * difference;
  }
  return sum;
}

// Rows scaled to a squared length of 1/2: their squared distance is 1 - cos.
function halfUnitRows(rows, d) {
  const unit = new Float64Array(rows.length);
  for (let start = 0; start < rows.length; start += d) {
    let largest = 0, squares = 0;
    for (let k = start; k < start + d; k++) largest = Math.max(largest, Math.abs(rows[k]));
    if (largest === 0) throw new Error("a row of zeros has no cosine");
    for (let k = start; k < start + d; k++) squares += (rows[k] / largest) ** 2;
    for (let k = start; k < start + d; k++) unit[k] = rows[k] / largest / Math.sqrt(2 * squares);
  }
  return unit;
}

// Mean cost of two frames drawn at random; if all are alike, of a frame and zeros.
function meanCost(rows, n, d) {
  let spread = 0, ofCenter = 0, lengths = 0;
  for (let k = 0; k < d; k++) {
    let sum = 0, squares = 0;
    for (let j = k; j < rows.length; j += d) {
      sum += rows[j];
      lengths += rows[j] * rows[j];
    }
    const center = sum / n;
    for (let j = k; j < rows.length; j += d) squares += (rows[j] - center) ** 2;
    spread += 2 * (squares / n);
    ofCenter += 2 * center * center;
  }
  lengths /= n;
  if (spread <= 1e-12 * ofCenter) spread = 0; // only rounding
  return spread <= 1e-12 * lengths ? lengths : spread;
}
