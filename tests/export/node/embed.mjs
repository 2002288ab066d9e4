// node embed.mjs ENCODER.onnx FRAMES.u8 T H W CHUNK OUT.f32: frames as bytes in, embeddings out.
import { readFile } from "node:fs/promises";
import { writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [file, input, length, height, width, chunk, output] = process.argv.slice(2);

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(await readFile(file));

async function embed(frames, T, H, W) { // frames: Uint8Array, RGB, T * H * W * 3 bytes
  const { embeddings } = await session.run({ frames: new ort.Tensor("uint8", frames, [T, H, W, 3]) });
  return embeddings.data; // Float32Array, T * d numbers
}

// A long video: chunks that overlap by the context, of which each keeps its own rows.
async function embedLong(frames, T, H, W, size, before, after) {
  let rows;
  for (let first = 0; first < T; first += size) {
    const end = Math.min(T, first + size);
    const from = Math.max(0, first - before), to = Math.min(T, end + after);
    const data = await embed(frames.subarray(from * H * W * 3, to * H * W * 3), to - from, H, W);
    const d = data.length / (to - from);
    rows ??= new Float32Array(T * d);
    rows.set(data.subarray((first - from) * d, (end - from) * d), first * d);
  }
  return rows;
}

const sizes = [length, height, width].map(Number);
const frames = new Uint8Array(await readFile(input));
const rows = chunk === "whole"
  ? await embed(frames, ...sizes)
  : await embedLong(frames, ...sizes, ...chunk.split(",").map(Number));
await writeFile(output, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
