#include "base/table_rounding.h"

#include "base/xxhash.h"

namespace prerank {

uint64_t rounding_stream(const std::string& table) {
  const std::string name = table + ".rounding";
  return xxh64(name.data(), name.size());
}

}  // namespace prerank
