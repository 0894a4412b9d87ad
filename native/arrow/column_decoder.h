// The values of a column in a record batch or dictionary, checked, in the form that decoded_field() describes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "arrow/array.h"
#include "arrow/batch_memory.h"
#include "arrow/body_reader.h"
#include "arrow/schema.h"
#include "prerank/status.h"

namespace prerank::arrow {

// Values that other columns refer to by index, in the form of decoded_field(); strings as string views.
struct Dictionary {
  Array values;
  std::vector<std::shared_ptr<const BatchMemory>> parts;  // what was read, and what was added by deltas
  std::shared_ptr<const BatchMemory> united;              // with deltas: the values of all parts
};
using Dictionaries = std::map<int64_t, std::shared_ptr<const Dictionary>>;

class ColumnDecoder {
 public:
  ColumnDecoder(BodyReader& body, BatchMemory& memory, const Dictionaries& dictionaries, bool unions_have_validity)
      : body_(body), memory_(memory), dictionaries_(dictionaries), unions_have_validity_(unions_have_validity) {}

  // The next column, `rows` values long. What offsets and indices refer to is checked against the copy that is handed
  // over, so that a file that changes meanwhile cannot lead outside of its buffers.
  Result<Array> decode(const Field& field, uint64_t rows);
  // Passes over the next column.
  Status skip(const Field& field);

 private:
  Result<Array> decode_node(const Field& field, BodyReader::Node node);
  Status decode_values(const Type& type, Array& out);
  Status validity(Array& out);
  Status fixed_width(const Type& type, Array& out);
  Status half_floats(Array& out);
  Status decimals(const Type& type, Array& out);
  Status check_times(const Type& type, const Array& array) const;
  // A copy of the offsets of out.length values, rising from 0 or above; the first buffer of `out`.
  template <class Offset>
  Result<std::span<const Offset>> offsets(Array& out);
  template <class Offset>
  Status strings(Array& out);
  Status string_views(Array& out);
  template <class Offset>
  Status list(const Type& type, Array& out);
  Status fixed_size_list(const Type& type, Array& out);
  Status add_child(const Type& type, uint64_t needed, Array& out);
  Status indexed(const Field& field, Array& out);
  template <class Index>
  Status resolve(const Dictionary& dictionary, const Type& type, std::span<const std::byte> indices, Array& out);
  Status skip_children(const Type& type);

  BodyReader& body_;
  BatchMemory& memory_;
  const Dictionaries& dictionaries_;
  bool unions_have_validity_;
};

}  // namespace prerank::arrow
