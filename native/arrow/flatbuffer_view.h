// Reads FlatBuffers that may be damaged: every read is checked against the bytes. The first read that does not fit marks
// the view as broken; from then on reads give zeros and empty vectors, so that callers check once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace prerank::arrow {

class FlatBufferView {
 public:
  struct Table {
    size_t at = 0;  // 0: absent
    explicit operator bool() const { return at != 0; }
  };
  struct Vector {
    size_t at = 0;  // of the first element
    size_t count = 0;
  };

  explicit FlatBufferView(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Table root() { return follow(0); }

  bool has(Table table, size_t slot) { return field(table, slot) != 0; }
  template <class T>
    requires std::is_arithmetic_v<T>
  T scalar(Table table, size_t slot, T otherwise) {
    const size_t at = field(table, slot);
    return at == 0 ? otherwise : load<T>(at);
  }
  Table table(Table table, size_t slot);
  std::string_view string(Table table, size_t slot);
  // A vector whose elements take `element_bytes` each; an absent one is empty.
  Vector vector(Table table, size_t slot, size_t element_bytes);
  template <class T>
    requires std::is_trivially_copyable_v<T>
  T element(Vector vector, size_t index) {
    return index < vector.count ? load<T>(vector.at + index * sizeof(T)) : load<T>(bytes_.size());
  }
  Table table_element(Vector vector, size_t index) { return follow(vector.at + index * sizeof(uint32_t)); }

  bool broken() const { return broken_; }
  size_t size() const { return bytes_.size(); }

 private:
  template <class T>
  T load(size_t at) {
    T value = {};
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) {
      broken_ = true;
      return value;
    }
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  // Where a field's value is; 0 when the table has none.
  size_t field(Table table, size_t slot);
  // What the reference at `at` points to.
  Table follow(size_t at);

  std::span<const std::byte> bytes_;
  bool broken_ = false;
};

}  // namespace prerank::arrow
