// embed ENCODER.onnx FRAMES.u8 T H W OUT.f32 [SIZE AFTER]: T pictures of H x W in, embeddings out.
//
// FRAMES.u8 is T * H * W * 3 bytes, RGB; OUT.f32 is T * d numbers. With SIZE, the video is given in
// chunks of SIZE frames; AFTER is how far the encoder looks ahead, its last offset (or 0).
//
//   g++ -std=c++17 -O2 -I/usr/include/onnxruntime embed.cpp -lonnxruntime -o embed
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

using Rows = std::vector<float>;  // T * d numbers, row by row

struct Frames {  // T * H * W * 3 bytes, RGB
  const uint8_t* data;
  int64_t T, H, W;
};

Ort::Value as_tensor(const Frames& frames) {
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::array<int64_t, 4> shape{frames.T, frames.H, frames.W, 3};
  size_t bytes = frames.T * frames.H * frames.W * 3;
  // onnxruntime wants it mutable, and does not write to it.
  auto data = const_cast<uint8_t*>(frames.data);
  return Ort::Value::CreateTensor<uint8_t>(memory, data, bytes, shape.data(), shape.size());
}

Rows as_rows(const Ort::Value& embeddings) {
  const float* rows = embeddings.GetTensorData<float>();
  return {rows, rows + embeddings.GetTensorTypeAndShapeInfo().GetElementCount()};
}

Rows embed(Ort::Session& session, const Frames& frames) {
  const char *in[] = {"frames"}, *out[] = {"embeddings"};
  Ort::Value input = as_tensor(frames);
  return as_rows(session.Run(Ort::RunOptions{nullptr}, in, &input, 1, out, 1)[0]);
}

// One video that arrives in chunks. The session must be of the streaming form.
class Stream {
 public:
  Stream(Ort::Session& session, size_t after) : session_(session), after_(after) {}

  // Returns the embeddings of frames whose context is complete.
  Rows push(const Frames& frames) {
    const char *in[] = {"frames", "context"}, *out[] = {"embeddings", "next_context"};
    std::vector<Ort::Value> inputs;
    inputs.push_back(as_tensor(frames));
    if (context_) inputs.push_back(std::move(context_));  // none before the first chunk
    auto outputs =
        session_.Run(Ort::RunOptions{nullptr}, in, inputs.data(), inputs.size(), out, 2);
    context_ = std::move(outputs[1]);
    Rows rows = as_rows(outputs[0]);
    size_t dim = outputs[0].GetTensorTypeAndShapeInfo().GetShape()[1];
    // The last `after` rows are right only if the video ends here; otherwise they come again.
    auto ready = rows.end() - std::min(rows.size(), after_ * dim);
    last_.assign(ready, rows.end());
    rows.erase(ready, rows.end());
    return rows;
  }

  // Returns the remaining embeddings, once there are no more frames.
  Rows finish() { return std::move(last_); }

 private:
  Ort::Session& session_;
  size_t after_;
  Ort::Value context_{nullptr};
  Rows last_;
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string decode_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size() && text[i] != '='; ++i) {
    bits = bits << 6 | digits.find(text[i]);
    if (i % 4) bytes.push_back(static_cast<char>(bits >> (6 - 2 * (i % 4))));
  }
  return bytes;
}

// The streaming form: the file, and the bytes of its metadata appended to it.
std::string streaming_form(const Ort::Session& whole, const std::string& path) {
  Ort::AllocatorWithDefaultOptions allocator;
  auto metadata = whole.GetModelMetadata();
  auto more = metadata.LookupCustomMetadataMapAllocated("tacref.streaming", allocator);
  if (!more) throw std::runtime_error(path + ": is not an encoder exported by tacref");
  return read(path) + decode_base64(more.get());
}

int run(const std::vector<std::string>& arguments) {
  const std::string path = arguments[0], bytes = read(arguments[1]);
  const auto number = [&](size_t i) { return std::stoll(arguments.at(i)); };
  const Frames video{reinterpret_cast<const uint8_t*>(bytes.data()), number(2), number(3),
                     number(4)};
  const int64_t frame_bytes = video.H * video.W * 3;
  if (frame_bytes < 1 || static_cast<int64_t>(bytes.size()) != video.T * frame_bytes)
    throw std::runtime_error(arguments[1] + ": is not T * H * W * 3 bytes");

  Ort::Env env;
  Ort::SessionOptions options;
  Ort::Session session(env, path.c_str(), options);
  Rows rows;
  if (arguments.size() == 6) {
    rows = embed(session, video);
  } else {
    const std::string model = streaming_form(session, path);
    // It warns that the context has a default value, which is what is wanted.
    options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
    Ort::Session streaming(env, model.data(), model.size(), options);
    Stream stream(streaming, number(7));
    const auto add = [&](const Rows& more) { rows.insert(rows.end(), more.begin(), more.end()); };
    const int64_t size = std::max<int64_t>(1, number(6));
    for (int64_t first = 0; first < video.T; first += size) {
      const int64_t T = std::min(size, video.T - first);
      add(stream.push({video.data + first * frame_bytes, T, video.H, video.W}));
    }
    add(stream.finish());
  }
  std::ofstream out(arguments[5], std::ios::binary);
  out.write(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(float));
  return out.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() != 6 && arguments.size() != 8) {
    std::cerr << "embed ENCODER.onnx FRAMES.u8 T H W OUT.f32 [SIZE AFTER]\n";
    return 2;
  }
  try {
    return run(arguments);
  } catch (const std::exception& error) {  // Ort::Exception, too
    std::cerr << "embed: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
