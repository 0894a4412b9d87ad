#include "io/table_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <string>
#include <utility>

namespace prerank {
namespace {

// A histogram of 2^11 counters stays in the L1 cache.
constexpr int kMaxDigitBits = 11;

// Sorts keys by their bits [32, 32 + bits), stably; returns whichever buffer holds the result.
uint64_t* radix_sort(uint64_t* keys, uint64_t* other, size_t count, int bits) {
  const int passes = (bits + kMaxDigitBits - 1) / kMaxDigitBits;
  const int digit_bits = passes == 0 ? 0 : (bits + passes - 1) / passes;
  std::array<uint32_t, size_t{1} << kMaxDigitBits> starts;
  const uint64_t mask = (uint64_t{1} << digit_bits) - 1;
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = 32 + pass * digit_bits;
    std::fill_n(starts.begin(), mask + 1, 0u);
    for (size_t i = 0; i < count; ++i) ++starts[(keys[i] >> shift) & mask];
    uint32_t sum = 0;
    for (size_t d = 0; d <= mask; ++d) sum += std::exchange(starts[d], sum);
    for (size_t i = 0; i < count; ++i) other[starts[(keys[i] >> shift) & mask]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

size_t count_entries(const TableInputs& table, std::span<const BatchIds> ids) {
  size_t count = 0;
  for (const auto& input : table.inputs) count += ids[input.input].ids.size();
  return count;
}

// Writes keys and, for each entry, what it will carry to its place in the index.
void list_entries(const TableInputs& table, std::span<const BatchIds> ids, TableIndexScratch& scratch) {
  size_t entry = 0;
  for (const auto& input : table.inputs) {
    const BatchIds& source = ids[input.input];
    const size_t bags = !input.multi ? source.ids.size() : source.offsets.empty() ? 0 : source.offsets.size() - 1;
    for (size_t bag = 0; bag < bags; ++bag) {
      const size_t begin = input.multi ? source.offsets[bag] : bag;
      const size_t end = input.multi ? source.offsets[bag + 1] : bag + 1;
      const float scale =
          input.pooling == Pooling::kMean && end > begin ? 1.0f / static_cast<float>(end - begin) : 1.0f;
      for (size_t i = begin; i < end; ++i, ++entry) {
        scratch.keys[entry] = uint64_t{source.ids[i]} << 32 | entry;
        scratch.bags[entry] = static_cast<uint32_t>(bag);
        scratch.inputs[entry] = input.input;
        scratch.coefficients[entry] = source.weights.empty() ? scale : scale * source.weights[i];
      }
    }
  }
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
  PRERANK_RETURN_IF_ERROR(scratch.keys.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.sorted.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.bags.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.inputs.reserve(count));
  PRERANK_RETURN_IF_ERROR(scratch.coefficients.reserve(count));
  PRERANK_RETURN_IF_ERROR(buffers.rows.reserve(count));
  PRERANK_RETURN_IF_ERROR(buffers.starts.reserve(count + 1));
  PRERANK_RETURN_IF_ERROR(buffers.bags.reserve(count));
  PRERANK_RETURN_IF_ERROR(buffers.inputs.reserve(count));
  PRERANK_RETURN_IF_ERROR(buffers.coefficients.reserve(count));

  list_entries(table, ids, scratch);
  const auto bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(table.rows - 1)));
  const uint64_t* const sorted = radix_sort(scratch.keys.data(), scratch.sorted.data(), count, bits);

  size_t distinct = 0;
  for (size_t e = 0; e < count; ++e) {
    const auto row = static_cast<uint32_t>(sorted[e] >> 32);
    const auto entry = static_cast<uint32_t>(sorted[e]);
    if (distinct == 0 || buffers.rows[distinct - 1] != row) {
      buffers.rows[distinct] = row;
      buffers.starts[distinct] = static_cast<uint32_t>(e);
      ++distinct;
    }
    buffers.bags[e] = scratch.bags[entry];
    buffers.inputs[e] = scratch.inputs[entry];
    buffers.coefficients[e] = scratch.coefficients[entry];
  }
  buffers.starts[distinct] = static_cast<uint32_t>(count);
  return BatchTableIndex{.rows = buffers.rows.first(distinct),
                         .starts = buffers.starts.first(distinct + 1),
                         .bags = buffers.bags.first(count),
                         .inputs = buffers.inputs.first(count),
                         .coefficients = buffers.coefficients.first(count)};
}

}  // namespace prerank
