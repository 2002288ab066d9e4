// An encoder that tacref exported, run by onnxruntime-web: frames in, embeddings out. The features of
// the last frames are carried from call to call, so each frame goes through the backbone once.

import { readMetadata, streamingModel } from "./model.js";

// An exported file, ready to embed videos.
export class Encoder {
  #ort; #session;

  // `ort` is onnxruntime-web, `file` the bytes of encoder.onnx (Uint8Array), `options` those of
  // `InferenceSession.create`.
  static async open(ort, file, options) {
    const metadata = readMetadata(file);
    const session = await ort.InferenceSession.create(streamingModel(file, metadata), options);
    return new Encoder(ort, session, metadata);
  }

  constructor(ort, session, metadata) {
    this.#ort = ort;
    this.#session = session;
    this.config = JSON.parse(metadata.encoder); // name, offsets, dim, size, channels
    // Frames that an embedding waits for.
    this.delay = Math.max(0, this.config.offsets.at(-1));
    // If true, all that is done with a picture's size is to resize it to `size` x `size`.
    this.squeezesPictures = this.config.size > 0 && !this.config.backbone;
  }

  // Start a video.
  stream() {
    return new EncoderStream(this);
  }

  // The context before the first frame: no rows.
  noContext() {
    const inputs = this.#session.inputMetadata;
    if (!inputs) throw new Error("onnxruntime-web must be of version 1.22 or newer");
    const { type, shape } = inputs.find(({ name }) => name === "context");
    const none = type === "float16" ? new Uint16Array(0) : new Float32Array(0);
    return new this.#ort.Tensor(type, none, [0, ...shape.slice(1)]);
  }

  // Run frames that follow others: the embeddings, row after row, and the next context.
  async run(frames, shape, context) {
    const type = frames instanceof Uint8Array ? "uint8" : "float32";
    const feeds = { frames: new this.#ort.Tensor(type, frames, shape), context };
    const { embeddings, next_context } = await this.#session.run(feeds);
    return [embeddings.data, next_context];
  }
}

// One video that arrives in chunks; made by `Encoder.stream`. Await each call before the next one.
class EncoderStream {
  #encoder; #context; #size;
  #last = []; // embeddings of the last `delay` frames, right if the video ends here

  constructor(encoder) {
    this.#encoder = encoder;
    this.#context = encoder.noContext();
  }

  // Add the next frames: pictures one after the other, RGB, 3 * height * width bytes each
  // (Uint8Array), of one size in all calls; or for an encoder of features rows of numbers
  // (Float32Array), without height and width. Return the embeddings that are complete now, an array
  // of Float32Array: those of the frames after the ones already returned.
  async push(frames, height, width) {
    if (this.#context === null) throw new Error("the stream is finished; a new video needs a new one");
    const { channels, dim, size } = this.#encoder.config;
    const frame = size > 0 ? [height, width, 3] : [channels], numbers = frame.reduce((a, b) => a * b);
    const count = frames.length / numbers;
    if (!(Number.isInteger(count) && count > 0)) {
      throw new Error("frames must hold " + numbers + " numbers each, got " + frames.length);
    }
    this.#size ??= frame;
    if (this.#size.some((side, axis) => side !== frame[axis])) {
      throw new Error("frames must all be " + this.#size + ", as the first, got " + frame);
    }
    const [data, context] = await this.#encoder.run(frames, [count, ...frame], this.#context);
    this.#context = context;
    const rows = [];
    for (let start = 0; start < data.length; start += dim) rows.push(data.slice(start, start + dim));
    const ready = Math.max(0, rows.length - this.#encoder.delay);
    this.#last = rows.slice(ready);
    return rows.slice(0, ready);
  }

  // End the video: its last frame is repeated beyond the end. Return the remaining embeddings.
  finish() {
    this.#context = null;
    const rows = this.#last;
    this.#last = [];
    return rows;
  }
}
