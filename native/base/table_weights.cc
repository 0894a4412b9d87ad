#include "prerank/table_weights.h"

#include <algorithm>

namespace prerank {
namespace {

void copy_wide(std::span<const float> from, std::span<float> to) { std::ranges::copy(from, to.begin()); }
void copy_wide(std::span<const Bfloat16> from, std::span<float> to) { to_float(from, to); }
void copy_wide(std::span<const Float16> from, std::span<float> to) { to_float(from, to); }

void copy_nearest(std::span<const float> from, std::span<float> to) { std::ranges::copy(from, to.begin()); }
void copy_nearest(std::span<const float> from, std::span<Bfloat16> to) { to_bfloat16(from, to); }
void copy_nearest(std::span<const float> from, std::span<Float16> to) { to_float16(from, to); }

}  // namespace

size_t bytes_of(TableType type) { return type == TableType::kFloat32 ? sizeof(float) : sizeof(uint16_t); }

TableWeights weights_at(TableType type, void* address) {
  switch (type) {
    case TableType::kBfloat16:
      return static_cast<Bfloat16*>(address);
    case TableType::kFloat16:
      return static_cast<Float16*>(address);
    case TableType::kFloat32:
      break;
  }
  return static_cast<float*>(address);
}

TableType type_of(const TableWeights& weights) { return static_cast<TableType>(weights.index()); }

void* address_of(const TableWeights& weights) {
  return std::visit([](auto* first) { return static_cast<void*>(first); }, weights);
}

TableWeights behind(const TableWeights& weights, size_t count) {
  return std::visit([count](auto* first) { return TableWeights(first + count); }, weights);
}

void read_weights(const TableWeights& from, std::span<float> into) {
  std::visit([into]<class T>(T* first) { copy_wide(std::span<const T>(first, into.size()), into); }, from);
}

void write_weights(std::span<const float> values, const TableWeights& to) {
  std::visit([values](auto* first) { copy_nearest(values, std::span(first, values.size())); }, to);
}

}  // namespace prerank
