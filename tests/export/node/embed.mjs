// node embed.mjs ENCODER.onnx FRAMES T H W CHUNK OUT.f32: frames as bytes in, embeddings out. For an
// encoder of features, frames are rows of float32, and H and W are 0.
import { readFile, writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";
import { Encoder } from "../../../tacref/web/encoder.js";

const [path, input, length, height, width, chunk, output] = process.argv.slice(2);

ort.env.wasm.numThreads = 1;
const encoder = await Encoder.open(ort, await readFile(path));

async function embed(chunks, height, width) { // chunks: each Uint8Array, RGB, T * H * W * 3 bytes
  const stream = encoder.stream(), rows = [];
  for (const chunk of chunks) rows.push(...await stream.push(chunk, height, width));
  rows.push(...stream.finish());
  return rows; // one Float32Array a frame
}

const bytes = await readFile(input);
const frames = Number(height) > 0
  ? new Uint8Array(bytes)
  : new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const numbers = frames.length / length, size = chunk === "whole" ? Number(length) : Number(chunk);
const chunks = [];
for (let start = 0; start < length; start += size) {
  chunks.push(frames.subarray(start * numbers, (start + size) * numbers));
}
const rows = await embed(chunks, Number(height), Number(width));
await writeFile(output, new Uint8Array(Float32Array.from(rows.flatMap((row) => [...row])).buffer));
