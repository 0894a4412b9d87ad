#include "ingest/dictionary.h"

#include "ingest/dictionary_int.h"
#include "ingest/dictionary_text.h"

namespace prerank::ingest {

std::unique_ptr<Dictionary> Dictionary::create(ValueType type, uint32_t base) {
  if (type == ValueType::kInt) return std::make_unique<IntDictionary>(base);
  return std::make_unique<TextDictionary>(base);
}

}  // namespace prerank::ingest
