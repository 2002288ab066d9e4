// node onnxruntime_probe.mjs FOLDER FORM: as onnxruntime_probe.py, with onnxruntime-web. FOLDER has
// FORM.onnx, and FORM.json with the frames, their type and shape, and the embeddings.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const [folder, form] = process.argv.slice(2);
const loaded = await import("onnxruntime-web"); // of the folder that this program is copied to
const ort = loaded.InferenceSession ? loaded : loaded.default;
ort.env.wasm.numThreads = 1;

let whole;
try {
  const { type, shape, frames, rows } = JSON.parse(await readFile(join(folder, `${form}.json`)));
  const session = await ort.InferenceSession.create(await readFile(join(folder, `${form}.onnx`)));
  const typed = type === "uint8" ? Uint8Array.from(frames) : Float32Array.from(frames);
  const { embeddings } = await session.run({ frames: new ort.Tensor(type, typed, shape) });
  if (embeddings.data.length !== rows.length) throw new Error(`${embeddings.data.length} numbers`);
  whole = Math.max(...rows.map((value, i) => Math.abs(value - embeddings.data[i])));
  if (Number.isNaN(whole)) throw new Error("NaN"); // JSON has none
} catch (error) {
  whole = String(error).replace(/\s+/g, " ").slice(0, 300);
}
console.log(JSON.stringify({ ways: { whole } }));
