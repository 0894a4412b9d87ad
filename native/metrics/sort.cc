#include "metrics/sort.h"

#include <array>
#include <bit>
#include <utility>

namespace prerank {
namespace {

constexpr int kDigitBits = 11;
constexpr size_t kDigits = size_t{1} << kDigitBits;

template <class Key>
struct Keyed {
  Key key;
  uint32_t row;
};

// Bits that order like the number: negative numbers reversed, below the positive ones.
uint64_t ordered_bits(double value) {
  const auto bits = std::bit_cast<uint64_t>(value + 0.0);  // -0 becomes 0
  return bits >> 63 != 0 ? ~bits : bits | uint64_t{1} << 63;
}

// Least significant digit first; digits that all keys share cost one counting pass and no move.
template <class Key>
void radix_sort(std::vector<Keyed<Key>>& items) {
  std::vector<Keyed<Key>> other(items.size());
  for (size_t shift = 0; shift < sizeof(Key) * 8; shift += kDigitBits) {
    std::array<size_t, kDigits> starts{};
    const auto digit = [shift](Key key) { return static_cast<size_t>(key >> shift) & (kDigits - 1); };
    for (const auto& item : items) ++starts[digit(item.key)];
    if (!items.empty() && starts[digit(items.front().key)] == items.size()) continue;
    size_t sum = 0;
    for (size_t& start : starts) sum += std::exchange(start, sum);
    for (const auto& item : items) other[starts[digit(item.key)]++] = item;
    items.swap(other);
  }
}

template <class Key, class KeyOf>
void sort_rows(std::vector<uint32_t>& rows, KeyOf key_of) {
  std::vector<Keyed<Key>> items(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) items[i] = {key_of(rows[i]), rows[i]};
  radix_sort(items);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = items[i].row;
}

}  // namespace

void sort_by_score(std::span<const double> scores, std::vector<uint32_t>& rows) {
  sort_rows<uint64_t>(rows, [&](uint32_t row) { return ordered_bits(scores[row]); });
}

void sort_by_group(std::span<const uint32_t> groups, std::vector<uint32_t>& rows) {
  sort_rows<uint32_t>(rows, [&](uint32_t row) { return groups[row]; });
}

}  // namespace prerank
