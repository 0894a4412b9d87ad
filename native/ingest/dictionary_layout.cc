#include "ingest/dictionary_layout.h"

namespace prerank::ingest {

DictionaryLayout DictionaryLayout::of(const IngestSpec& spec) {
  DictionaryLayout layout;
  layout.of_table.resize(spec.tables.size());
  layout.of_code.resize(spec.codes.size());
  layout.features_of_table.resize(spec.tables.size());
  for (size_t table = 0; table < spec.tables.size(); ++table) {
    if (spec.tables[table].buckets == 0 && spec.tables[table].learn) layout.of_table[table] = layout.count++;
  }
  for (size_t code = 0; code < spec.codes.size(); ++code) {
    if (spec.codes[code].role != CodeRole::kRequest) layout.of_code[code] = layout.count++;
  }
  for (const IdColumn& column : spec.ids) ++layout.features_of_table[column.table];
  return layout;
}

}  // namespace prerank::ingest
