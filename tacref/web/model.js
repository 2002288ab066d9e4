// An exported file as onnxruntime-web takes it: with the context of a stream as a required input.
//
// A serialized model is a list of numbered fields (protobuf). Appending the fields of
// `tacref.streaming` adds the input `context` and the output `next_context`; the file's own value of
// `context`, which makes that input optional, is then hidden, as onnxruntime-web takes no optional
// input.

const GRAPH = 7, METADATA = 14; // fields of ModelProto
const INITIALIZER = 5, UNUSED = 9; // of GraphProto; ONNX reserves 9, so it is skipped
const NAME = 8; // of TensorProto
const KEY = 1, VALUE = 2; // of StringStringEntryProto
const PREFIX = "tacref.", FORMAT = "3";
const WIRE_BYTES = 2;

// Read the metadata of a file, keys without the prefix.
export function readMetadata(model) {
  const metadata = {};
  for (const entry of fields(model, 0, model.length, METADATA)) {
    const key = text(model, first(model, entry, KEY)), value = first(model, entry, VALUE);
    if (key.startsWith(PREFIX)) metadata[key.slice(PREFIX.length)] = text(model, value);
  }
  if (!metadata.format) throw new Error("not an encoder exported by tacref");
  if (metadata.format !== FORMAT) {
    throw new Error("the file's format is " + metadata.format + ", this program reads " + FORMAT);
  }
  if (metadata.weights) throw new Error("the encoder's weights are in a second file: too large here");
  return metadata;
}

// Return the model that also takes `context`, in all calls, and gives `next_context`.
export function streamingModel(model, metadata) {
  const more = Uint8Array.from(atob(metadata.streaming), (letter) => letter.charCodeAt(0));
  const streaming = new Uint8Array(model.length + more.length);
  streaming.set(model);
  streaming.set(more, model.length);
  for (const graph of fields(model, 0, model.length, GRAPH)) {
    for (const tensor of fields(model, graph.start, graph.end, INITIALIZER)) {
      if (text(model, first(model, tensor, NAME)) === "context") {
        streaming[tensor.tag] = (UNUSED << 3) | WIRE_BYTES;
      }
    }
  }
  return streaming;
}

const text = (model, { start, end }) => new TextDecoder().decode(model.subarray(start, end));

function first(model, { start, end }, number) {
  for (const field of fields(model, start, end, number)) return field;
  return { start: end, end };
}

// Yield where the fields with a number are: their tag, and start and end of their content.
function* fields(model, from, to, wanted) {
  let position = from;
  const varint = () => {
    let value = 0, scale = 1, byte;
    do {
      byte = model[position++];
      value += (byte & 127) * scale; // not shifted: numbers may have more than 32 bits
      scale *= 128;
    } while (byte > 127);
    return value;
  };
  while (position < to) {
    const tag = position, code = varint(), kind = code % 8;
    let start = position, end;
    if (kind === 0) {
      varint();
      end = position;
    } else if (kind === WIRE_BYTES) {
      const size = varint();
      start = position;
      end = start + size;
    } else if (kind === 1 || kind === 5) end = position + (kind === 1 ? 8 : 4);
    else throw new Error("damaged, or not an ONNX file");
    if (!(end <= to)) throw new Error("damaged, or not an ONNX file");
    if ((code - kind) / 8 === wanted) yield { tag, start, end };
    position = end;
  }
}
