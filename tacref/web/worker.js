// What takes time, away from the page: pictures to embeddings to positions.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Encoder } from "./encoder.js";
import { load } from "./load.js";
import { OnlineAligner } from "./online.js";
import { resize, toRgb } from "./pictures.js";

const PREVIEW_WIDTH = 480;
ort.env.wasm.numThreads = 1; // more need headers that a simple server does not send

let encoder, reference, rows;

async function open() {
  [encoder, reference, rows] = await Promise.all([
    load("encoder.onnx").then((file) => file.arrayBuffer()).then((file) => Encoder.open(ort, new Uint8Array(file))),
    load("reference.json").then((file) => file.json()),
    load("reference.f32").then((file) => file.arrayBuffer()).then((file) => new Float32Array(file)),
  ]);
  const { size } = encoder.config; // the first run takes longest
  await encoder.stream().push(new Uint8Array(3 * size * size), size, size);
  return { delay: encoder.delay };
}

// A performance: pictures go in, positions come out.
class Follower {
  #stream = encoder.stream();
  #aligner; #size;
  #previews = []; // of the frames that have no position yet
  #pixels = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  #preview = new OffscreenCanvas(1, 1);

  constructor(openBegin, hasPreviews) {
    const { phases, cost, dim } = reference;
    this.#aligner = new OnlineAligner(rows, dim, { phases, cost, openBegin });
    this.hasPreviews = hasPreviews;
  }

  async add(pictures) {
    const frames = pictures.map((picture) => this.#read(picture));
    const all = new Uint8Array(frames.length * frames[0].length);
    frames.forEach((frame, number) => all.set(frame, number * frame.length));
    return this.#align(await this.#stream.push(all, ...this.#size));
  }

  finish() {
    return this.#align(this.#stream.finish());
  }

  // The frame of a picture as the encoder takes it; keeps a small picture to show.
  #read(picture) {
    const { width, height } = picture, { canvas } = this.#pixels;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.#pixels.drawImage(picture, 0, 0);
    const { data } = this.#pixels.getImageData(0, 0, width, height);
    if (this.hasPreviews) {
      const scale = Math.min(1, PREVIEW_WIDTH / width);
      this.#preview.width = Math.round(scale * width);
      this.#preview.height = Math.max(1, Math.round(scale * height));
      const { width: smallWidth, height: smallHeight } = this.#preview;
      this.#preview.getContext("2d").drawImage(picture, 0, 0, smallWidth, smallHeight);
      this.#previews.push(this.#preview.transferToImageBitmap());
    }
    picture.close();
    if (encoder.squeezesPictures) {
      const { size } = encoder.config;
      this.#size = [size, size];
      return resize(data, width, height, size);
    }
    this.#size = [height, width];
    return toRgb(data);
  }

  // The positions of frames, and what the last of them shows.
  #align(embeddings) {
    const positions = embeddings.map((row) => this.#aligner.update(row));
    const shown = this.#previews.splice(0, positions.length), preview = shown.pop() ?? null;
    for (const each of shown) each.close();
    return { positions, preview };
  }
}

let follower = null;
const answers = {
  open,
  begin({ openBegin, hasPreviews }) {
    follower = new Follower(openBegin, hasPreviews);
    return {};
  },
  async add({ pictures }) {
    const start = performance.now();
    return { ...(await follower.add(pictures)), seconds: (performance.now() - start) / 1000 };
  },
  finish: () => follower.finish(),
};
onmessage = async ({ data }) => {
  try {
    const answer = await answers[data.what](data);
    postMessage(answer, answer.preview ? [answer.preview] : []);
  } catch (error) {
    postMessage({ error: error.message });
  }
};
