// The last step of an encoded file: final ids and request numbers, checksums, the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ingest/batch_encoder.h"
#include "ingest/part_writer.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

// What to write over the provisional values of a file.
struct SealPlan {
  const std::vector<OutputColumn>* columns = nullptr;
  // Per output column: value v becomes map[v]; empty for the others.
  std::vector<std::span<const uint32_t>> maps;
  uint64_t first_request = 0;  // code of the file's first request
};

struct SealedFile {
  EncodedFile file;
  std::vector<uint64_t> zeros;  // per output column: values that a map made 0
};

// Rewrites the columns, takes the checksums, syncs the file and gives it its name in the folder. `sealed` is empty
// before. Errors: kIoError with the path, kCancelled.
Status seal_file(const WrittenPart& part, const SealPlan& plan, const std::string& folder, const std::string& name,
                 const std::function<bool()>& cancelled, SealedFile& sealed);

}  // namespace prerank::ingest
