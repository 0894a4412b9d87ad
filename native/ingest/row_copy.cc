#include "ingest/row_copy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/id_values.h"
#include "ingest/number_values.h"

namespace prerank::ingest {
namespace {

constexpr size_t kTextBytes = 16;  // of an entry
constexpr size_t kInlineText = 12;

size_t value_bytes(Physical type) {
  switch (type) {
    case Physical::kBool:
    case Physical::kInt8:
    case Physical::kUint8:
      return 1;
    case Physical::kInt16:
    case Physical::kUint16:
      return 2;
    case Physical::kInt32:
    case Physical::kUint32:
    case Physical::kFloat:
      return 4;
    case Physical::kInt64:
    case Physical::kUint64:
    case Physical::kDouble:
      return 8;
    case Physical::kString:
      return kTextBytes;
    case Physical::kList:
      return sizeof(ListEntry);
  }
  return 0;
}

class CopiedRows final : public Chunk {
 public:
  explicit CopiedRows(const RowSlice& slice) {
    rows_ = slice.rows();
    const ListRun run{slice.from, rows_};
    for (size_t i = 0; i < slice.chunk->columns(); ++i) {
      columns_.push_back(copy(slice.chunk->column(i), {&run, 1}));
    }
  }

 private:
  // Zeroed, and aligned for any value.
  std::byte* allocate(size_t bytes) {
    memory_.push_back(std::make_unique<uint64_t[]>((bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t)));
    return reinterpret_cast<std::byte*>(memory_.back().get());
  }

  VectorView copy(const VectorView& from, std::span<const ListRun> runs);
  uint64_t* copy_validity(const VectorView& from, std::span<const ListRun> runs, size_t count);
  void copy_texts(VectorView& to, std::byte* entries);
  VectorView copy_lists(const VectorView& from, VectorView to, ListEntry* lists);

  std::vector<std::unique_ptr<uint64_t[]>> memory_;
};

VectorView CopiedRows::copy(const VectorView& from, std::span<const ListRun> runs) {
  size_t count = 0;
  for (const ListRun& run : runs) count += run.count;
  const size_t width = value_bytes(from.type);
  std::byte* const data = allocate(count * width);
  std::byte* next = data;
  for (const ListRun& run : runs) {
    std::memcpy(next, static_cast<const std::byte*>(from.data) + run.from * width, run.count * width);
    next += run.count * width;
  }
  VectorView to{from.type, data, copy_validity(from, runs, count), {}, count};
  if (from.type == Physical::kString) copy_texts(to, data);
  if (from.type == Physical::kList) return copy_lists(from, to, reinterpret_cast<ListEntry*>(data));
  return to;
}

uint64_t* CopiedRows::copy_validity(const VectorView& from, std::span<const ListRun> runs, size_t count) {
  if (std::ranges::none_of(runs, [&](const ListRun& run) { return has_nulls(from, run.from, run.count); })) {
    return nullptr;
  }
  auto* const words = reinterpret_cast<uint64_t*>(allocate((count + 63) / 64 * sizeof(uint64_t)));
  size_t i = 0;
  for (const ListRun& run : runs) {
    for (size_t row = run.from; row < run.from + run.count; ++row, ++i) {
      words[i / 64] |= uint64_t{from.valid(row)} << (i % 64);
    }
  }
  return words;
}

// Gives the long strings memory of their own.
void CopiedRows::copy_texts(VectorView& to, std::byte* entries) {
  size_t bytes = 0;
  const auto is_long = [&to](size_t row) { return to.valid(row) && to.text(row).size() > kInlineText; };
  for (size_t row = 0; row < to.size; ++row) bytes += is_long(row) ? to.text(row).size() : 0;
  if (bytes == 0) return;
  auto* text = reinterpret_cast<char*>(allocate(bytes));
  for (size_t row = 0; row < to.size; ++row) {
    if (!is_long(row)) continue;
    const std::string_view old = to.text(row);
    std::memcpy(text, old.data(), old.size());
    std::memcpy(entries + row * kTextBytes + 8, &text, sizeof(text));
    text += old.size();
  }
}

// Lists one behind the other; nulls are empty.
VectorView CopiedRows::copy_lists(const VectorView& from, VectorView to, ListEntry* lists) {
  std::vector<ListRun> runs;
  const size_t elements = from.child->size;
  uint64_t end = 0;
  for (size_t row = 0; row < to.size; ++row) {
    const ListEntry old = to.valid(row) ? lists[row] : ListEntry{0, 0};
    if (old.length > elements || old.offset > elements - old.length) {
      lists[row] = {std::numeric_limits<uint64_t>::max(), old.length};  // outside its elements, as before
      continue;
    }
    lists[row] = {end, old.length};
    end += old.length;
    if (old.length == 0) continue;
    if (!runs.empty() && runs.back().from + runs.back().count == old.offset) runs.back().count += old.length;
    else runs.push_back({old.offset, old.length});
  }
  to.child = std::make_shared<const VectorView>(copy(*from.child, runs));
  return to;
}

}  // namespace

RowSlice copy_rows(const RowSlice& slice) {
  return {std::make_shared<const CopiedRows>(slice), 0, slice.rows(), slice.origin};
}

}  // namespace prerank::ingest
