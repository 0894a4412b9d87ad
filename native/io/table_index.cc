#include "io/table_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>
#include <utility>

namespace prerank {
namespace {

// A histogram of 2^11 counters stays in the L1 cache, as do those of three digits, enough for 2^32 rows.
constexpr int kMaxDigitBits = 11;
constexpr int kMaxDigits = 3;
constexpr int kEntryBits = 32;  // of a key, below its row

// Sorts keys by their bits [low, low + bits), stably; returns whichever buffer holds the result.
template <size_t kDigits, class Key>
Key* sort_digits(Key* keys, Key* other, size_t count, int low, int bits) {
  const int digit_bits = (bits + static_cast<int>(kDigits) - 1) / static_cast<int>(kDigits);
  const Key mask = (Key{1} << digit_bits) - 1;
  std::array<std::array<uint32_t, size_t{1} << kMaxDigitBits>, kDigits> starts;
  for (auto& digit : starts) std::fill_n(digit.begin(), size_t{mask} + 1, 0u);
  for (size_t i = 0; i < count; ++i) {
    Key row = keys[i] >> low;
    for (size_t d = 0; d < kDigits; ++d, row >>= digit_bits) ++starts[d][row & mask];
  }
  for (size_t d = 0; d < kDigits; ++d) {
    uint32_t sum = 0;
    for (Key value = 0; value <= mask; ++value) sum += std::exchange(starts[d][value], sum);
    const int shift = low + static_cast<int>(d) * digit_bits;
    for (size_t i = 0; i < count; ++i) other[starts[d][(keys[i] >> shift) & mask]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

template <class Key>
Key* radix_sort(Key* keys, Key* other, size_t count, int low, int bits) {
  if (bits == 0) return keys;
  if (bits <= kMaxDigitBits) return sort_digits<1>(keys, other, count, low, bits);
  if (bits <= 2 * kMaxDigitBits) return sort_digits<2>(keys, other, count, low, bits);
  return sort_digits<3>(keys, other, count, low, bits);
}

size_t count_entries(const TableInputs& table, std::span<const BatchIds> ids) {
  size_t count = 0;
  for (const auto& input : table.inputs) count += ids[input.input].ids.size();
  return count;
}

bool is_plain(const TableInputs& table, std::span<const BatchIds> ids) {
  return table.inputs.size() == 1 && table.inputs[0].pooling != Pooling::kMean &&
         ids[table.inputs[0].input].weights.empty();
}

// Calls entry(i, bag, scale) for every id i of an input; scale is 1 / bag length for mean pooling.
template <class Entry>
void for_entries(const TableInputs::Input& input, const BatchIds& source, const Entry& entry) {
  const size_t bags = !input.multi ? source.ids.size() : source.offsets.empty() ? 0 : source.offsets.size() - 1;
  for (size_t bag = 0; bag < bags; ++bag) {
    const size_t begin = input.multi ? source.offsets[bag] : bag;
    const size_t end = input.multi ? source.offsets[bag + 1] : bag + 1;
    const float scale = input.pooling == Pooling::kMean && end > begin ? 1.0f / static_cast<float>(end - begin) : 1.0f;
    for (size_t i = begin; i < end; ++i) entry(i, static_cast<uint32_t>(bag), scale);
  }
}

int bits_below(uint64_t end) { return end < 2 ? 0 : static_cast<int>(std::bit_width(end - 1)); }

// Writes keys and, for each entry, what it will carry to its place in the index.
Status list_entries(const TableInputs& table, std::span<const BatchIds> ids, size_t count, TableIndexScratch& scratch) {
  PRERANK_RETURN_IF_ERROR(scratch.bags.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.inputs.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.coefficients.reserve(count));
  size_t entry = 0;
  for (const auto& input : table.inputs) {
    const BatchIds& source = ids[input.input];
    for_entries(input, source, [&](size_t i, uint32_t bag, float scale) {
      scratch.keys[entry] = uint64_t{source.ids[i]} << 32 | entry;
      scratch.bags[entry] = bag;
      scratch.inputs[entry] = input.input;
      scratch.coefficients[entry] = source.weights.empty() ? scale : scale * source.weights[i];
      ++entry;
    });
  }
  return {};
}

// Distinct rows of the sorted keys and where their entries end; returns how many. Without branches: whether the next key
// has another row cannot be foreseen.
template <class Key>
size_t mark_rows(std::span<const Key> sorted, int low, uint32_t* rows, uint32_t* starts) {
  starts[0] = 0;
  if (sorted.empty()) return 0;
  size_t last = 0;
  auto before = static_cast<uint32_t>(sorted[0] >> low);
  for (size_t e = 0; e < sorted.size(); ++e) {
    const auto row = static_cast<uint32_t>(sorted[e] >> low);
    last += row != before;
    before = row;
    rows[last] = row;
    starts[last + 1] = static_cast<uint32_t>(e + 1);
  }
  return last + 1;
}

// The entries' parts in the order of the sorted keys.
Status carry_entries(std::span<const uint64_t> sorted, const TableIndexScratch& scratch, TableIndexBuffers& buffers) {
  PRERANK_RETURN_IF_ERROR(buffers.inputs.reserve(sorted.size()));
  PRERANK_RETURN_IF_ERROR(buffers.coefficients.reserve(sorted.size()));
  for (size_t e = 0; e < sorted.size(); ++e) {
    const auto entry = static_cast<uint32_t>(sorted[e]);
    buffers.bags[e] = scratch.bags[entry];
    buffers.inputs[e] = scratch.inputs[entry];
    buffers.coefficients[e] = scratch.coefficients[entry];
  }
  return {};
}

// An index while it is filled.
struct Parts {
  TableIndexBuffers& buffers;
  size_t count = 0;
  size_t distinct = 0;
};

// Plain tables: keys are row << low | bag and carry the bag themselves.
template <class Key>
Status index_bags(const TableInputs& table, std::span<const BatchIds> ids, int low, GrowBuffer<Key>& keys,
                  GrowBuffer<Key>& other, Parts& parts) {
  PRERANK_RETURN_IF_ERROR(keys.reserve(parts.count));
  PRERANK_RETURN_IF_ERROR(other.reserve(parts.count));
  const TableInputs::Input& input = table.inputs[0];
  const BatchIds& source = ids[input.input];
  for_entries(input, source, [&, to = keys.data()](size_t i, uint32_t bag, float) {
    to[i] = Key{source.ids[i]} << low | bag;
  });
  const int bits = bits_below(static_cast<uint64_t>(table.rows));
  const std::span<const Key> sorted(radix_sort(keys.data(), other.data(), parts.count, low, bits), parts.count);
  parts.distinct = mark_rows(sorted, low, parts.buffers.rows.data(), parts.buffers.starts.data());
  const Key bag = (Key{1} << low) - 1;
  for (size_t e = 0; e < parts.count; ++e) parts.buffers.bags[e] = static_cast<uint32_t>(sorted[e] & bag);
  return {};
}

// Keys of 32 bits where row and bag fit: half the memory to sort.
Status index_plain(const TableInputs& table, std::span<const BatchIds> ids, TableIndexScratch& scratch, Parts& parts) {
  const TableInputs::Input& input = table.inputs[0];
  const BatchIds& source = ids[input.input];
  const size_t bags = input.multi && !source.offsets.empty() ? source.offsets.size() - 1 : source.ids.size();
  const int low = bits_below(bags);
  if (low + bits_below(static_cast<uint64_t>(table.rows)) <= 32) {
    return index_bags(table, ids, low, scratch.narrow_keys, scratch.narrow_sorted, parts);
  }
  return index_bags(table, ids, kEntryBits, scratch.keys, scratch.sorted, parts);
}

Status index_entries(const TableInputs& table, std::span<const BatchIds> ids, TableIndexScratch& scratch,
                     Parts& parts) {
  PRERANK_RETURN_IF_ERROR(scratch.keys.reserve(parts.count));
  PRERANK_RETURN_IF_ERROR(scratch.sorted.reserve(parts.count));
  PRERANK_RETURN_IF_ERROR(list_entries(table, ids, parts.count, scratch));
  const int bits = bits_below(static_cast<uint64_t>(table.rows));
  const std::span<const uint64_t> sorted(
      radix_sort(scratch.keys.data(), scratch.sorted.data(), parts.count, kEntryBits, bits), parts.count);
  parts.distinct = mark_rows(sorted, kEntryBits, parts.buffers.rows.data(), parts.buffers.starts.data());
  return carry_entries(sorted, scratch, parts.buffers);
}

}  // namespace

Result<std::vector<TableInputs>> group_by_table(std::span<const int64_t> table_rows, std::span<const IdSource> ids) {
  std::vector<TableInputs> tables(table_rows.size());
  for (size_t t = 0; t < tables.size(); ++t) {
    if (table_rows[t] < 1 || table_rows[t] > int64_t{1} << 32) {
      return Status(Code::kInvalidArgument, "table " + std::to_string(t) + " has " + std::to_string(table_rows[t]) +
                                                " rows: between 1 and 2^32 are possible");
    }
    tables[t].rows = table_rows[t];
  }
  if (ids.size() > size_t{std::numeric_limits<uint16_t>::max()} + 1) {
    return Status(Code::kUnsupported, "more than 65536 id inputs");
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].table < 0 || static_cast<size_t>(ids[i].table) >= tables.size()) {
      return Status(Code::kInvalidArgument, "id input " + std::to_string(i) + " names table " +
                                                std::to_string(ids[i].table) + ", which does not exist");
    }
    tables[static_cast<size_t>(ids[i].table)].inputs.push_back(
        {static_cast<uint16_t>(i), ids[i].multi, ids[i].pooling});
  }
  return tables;
}

Result<BatchTableIndex> build_table_index(const TableInputs& table, std::span<const BatchIds> ids,
                                          TableIndexScratch& scratch, TableIndexBuffers& buffers) {
  const size_t count = count_entries(table, ids);
  if (count > std::numeric_limits<uint32_t>::max())
    return Status(Code::kUnsupported, "a batch has more than 2^32 - 1 ids of one table");
  const bool plain = is_plain(table, ids);
  PRERANK_RETURN_IF_ERROR(buffers.rows.reserve(count));
  PRERANK_RETURN_IF_ERROR(buffers.starts.reserve(count + 1));
  PRERANK_RETURN_IF_ERROR(buffers.bags.reserve(count));
  Parts parts{buffers, count};
  PRERANK_RETURN_IF_ERROR(plain ? index_plain(table, ids, scratch, parts) : index_entries(table, ids, scratch, parts));

  BatchTableIndex index{.rows = buffers.rows.first(parts.distinct),
                        .starts = buffers.starts.first(parts.distinct + 1),
                        .bags = buffers.bags.first(count),
                        .inputs = {},
                        .coefficients = {}};
  if (plain) {
    index.input = table.inputs[0].input;
  } else {
    index.inputs = buffers.inputs.first(count);
    index.coefficients = buffers.coefficients.first(count);
  }
  return index;
}

}  // namespace prerank
