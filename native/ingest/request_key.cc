#include "ingest/request_key.h"

#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "base/xxhash.h"

namespace prerank::ingest {
namespace {

// Values whose equality is that of their bytes.
template <std::integral T>
T canonical(T value) {
  return value;
}

template <std::floating_point T>
std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t> canonical(T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  if (value == 0) value = 0;
  Bits bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

template <class T>
struct Numbers {
  const T* data;
  explicit Numbers(const VectorView& column) : data(static_cast<const T*>(column.data)) {}
  auto operator()(size_t row) const { return canonical(data[row]); }
};

struct Texts {
  const VectorView& column;
  explicit Texts(const VectorView& of) : column(of) {}
  std::string_view operator()(size_t row) const { return column.text(row); }
};

// Calls use(type<Values>) with the way to read the column's values.
template <class T>
struct Type {
  using type = T;
};

template <class Use>
auto with_values(Physical type, Use use) {
  switch (type) {
    case Physical::kBool:
    case Physical::kUint8: return use(Type<Numbers<uint8_t>>());
    case Physical::kInt8: return use(Type<Numbers<int8_t>>());
    case Physical::kInt16: return use(Type<Numbers<int16_t>>());
    case Physical::kInt32: return use(Type<Numbers<int32_t>>());
    case Physical::kInt64: return use(Type<Numbers<int64_t>>());
    case Physical::kUint16: return use(Type<Numbers<uint16_t>>());
    case Physical::kUint32: return use(Type<Numbers<uint32_t>>());
    case Physical::kUint64: return use(Type<Numbers<uint64_t>>());
    case Physical::kFloat: return use(Type<Numbers<float>>());
    case Physical::kDouble: return use(Type<Numbers<double>>());
    case Physical::kString:
    case Physical::kList: break;
  }
  return use(Type<Texts>());
}

}  // namespace

Status check_request_column(const VectorView& column) {
  if (column.type != Physical::kList) return {};
  return {Code::kUnsupported, "the request column holds lists: a request is a number or a string"};
}

bool same_request(const VectorView& a, size_t row_a, const VectorView& b, size_t row_b) {
  return with_values(a.type, [&](auto values) {
    using Values = typename decltype(values)::type;
    return Values(a)(row_a) == Values(b)(row_b);
  });
}

void find_request_starts(const VectorView& column, size_t from, size_t to, const VectorView* before, size_t before_row,
                         std::vector<uint32_t>& starts, size_t& last) {
  with_values(column.type, [&](auto values) {
    using Values = typename decltype(values)::type;
    const Values at(column);
    size_t row = from;
    while (row < to && !column.valid(row)) ++row;
    if (row == to) return;
    auto current = at(row);
    if (before == nullptr || Values(*before)(before_row) != current) starts.push_back(static_cast<uint32_t>(row));
    last = row;
    for (++row; row < to; ++row) {
      if (!column.valid(row)) continue;
      const auto value = at(row);
      last = row;
      if (value == current) continue;
      current = value;
      starts.push_back(static_cast<uint32_t>(row));
    }
  });
}

std::string request_bytes(const VectorView& column, size_t row) {
  return with_values(column.type, [&](auto values) {
    const auto value = typename decltype(values)::type(column)(row);
    if constexpr (std::is_same_v<decltype(value), const std::string_view>) {
      return std::string(value);
    } else {
      return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
    }
  });
}

uint64_t request_hash(const VectorView& column, size_t row) {
  return with_values(column.type, [&](auto values) {
    const auto value = typename decltype(values)::type(column)(row);
    if constexpr (std::is_same_v<decltype(value), const std::string_view>) {
      return xxh64(value.data(), value.size());
    } else {
      return xxh64(&value, sizeof(value));
    }
  });
}

}  // namespace prerank::ingest
