#include "cuda/upload.h"

#include <algorithm>

#include "cuda/launch.h"

namespace prerank::cuda {
namespace {

constexpr size_t kWordsPerLaunch = 256;  // 2 KiB: a kernel's arguments must stay below 4

struct UploadedWords {
  uint64_t word[kWordsPerLaunch];
};

__global__ void upload_words(UploadedWords words, uint32_t count, uint64_t* to) {
  if (threadIdx.x < count) to[threadIdx.x] = words.word[threadIdx.x];
}

}  // namespace

Status enqueue_upload(cudaStream_t stream, std::span<const uint64_t> words, uint64_t* to) {
  for (size_t first = 0; first < words.size(); first += kWordsPerLaunch) {
    const size_t count = std::min(kWordsPerLaunch, words.size() - first);
    UploadedWords part = {};
    std::copy_n(words.data() + first, count, part.word);
    PRERANK_RETURN_IF_ERROR(
        launch(stream, 1, kWordsPerLaunch, upload_words, part, static_cast<uint32_t>(count), to + first));
  }
  return {};
}

}  // namespace prerank::cuda
