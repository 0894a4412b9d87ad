#include "ingest/batch_encoder.h"

#include "ingest/block_encoder.h"

namespace prerank::ingest {

Result<std::unique_ptr<BatchEncoder>> BatchEncoder::create(const IngestSpec& spec) {
  return BlockEncoder::create(spec);
}

}  // namespace prerank::ingest
