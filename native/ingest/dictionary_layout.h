// Which dictionaries a spec needs: one for each table that is learnt, then one for each code of users and ads.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "prerank/ingest.h"

namespace prerank::ingest {

struct DictionaryLayout {
  static DictionaryLayout of(const IngestSpec& spec);

  size_t count = 0;
  std::vector<std::optional<size_t>> of_table;  // dictionary of each table
  std::vector<std::optional<size_t>> of_code;   // dictionary of each code column
  std::vector<size_t> features_of_table;        // how many id columns read each table

  // Whether the dictionary of a learnt table counts one feature's values, and no other's.
  bool exclusive(size_t table) const { return of_table[table].has_value() && features_of_table[table] == 1; }
};

}  // namespace prerank::ingest
