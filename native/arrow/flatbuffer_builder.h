// Writes FlatBuffers (the encoding of Arrow's metadata): tables, strings, vectors and vectors of structs.
// Encoding: https://flatbuffers.dev/internals/.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace prerank::arrow {

// Builds from the end to the beginning: what a table refers to is made before the table. Tables are not nested while
// they are open.
class FlatBufferBuilder {
 public:
  // Where an object begins, counted from the end of the buffer.
  using Ref = uint32_t;

  Ref string(std::string_view text);
  Ref refs(std::span<const Ref> objects);
  // A vector of structs whose bytes are as in memory (little-endian, aligned to 8 bytes).
  template <class T>
    requires std::is_trivially_copyable_v<T> && (alignof(T) <= 8)
  Ref structs(std::span<const T> values) {
    return raw_vector(std::as_bytes(values), values.size());
  }

  void begin_table();
  template <class T>
    requires std::integral<T>
  void scalar(size_t slot, T value) {
    align(sizeof(T), sizeof(T));
    push(value);
    mark(slot);
  }
  void ref(size_t slot, Ref object);
  Ref end_table();

  // The bytes with `root` as the root table, a multiple of 8 long. The builder is empty afterwards.
  std::vector<std::byte> finish(Ref root);

 private:
  static_assert(std::endian::native == std::endian::little);

  // Pads so that after `bytes` more bytes the size is a multiple of `alignment`.
  void align(size_t alignment, size_t bytes);
  template <class T>
  void push(T value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    reversed_.insert(reversed_.end(), bytes.rbegin(), bytes.rend());
  }
  void push_ref(Ref object);
  void mark(size_t slot);
  Ref raw_vector(std::span<const std::byte> bytes, size_t count);
  Ref here() const { return static_cast<Ref>(reversed_.size()); }

  std::vector<std::byte> reversed_;  // the buffer from its last byte to its first
  std::vector<Ref> slots_;           // fields of the open table; 0: absent
  size_t table_begin_ = 0;
};

}  // namespace prerank::arrow
