// Decoded columns through the Arrow C data interface.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arrow/array.h"
#include "arrow/c_data.h"
#include "arrow/schema.h"

namespace prerank::arrow {

// A struct of nullable columns named c0, c1, …; `fields` as decoded_field() gives them. Owns all parts.
class ExportedSchema {
 public:
  explicit ExportedSchema(std::span<const Field> fields);
  ExportedSchema(const ExportedSchema&) = delete;
  ExportedSchema& operator=(const ExportedSchema&) = delete;

  // Lends the schema: releasing it frees nothing, this object must outlive its use.
  ArrowSchema lend();

 private:
  struct Node {
    std::string name, format;
    ArrowSchema schema = {};
    std::vector<ArrowSchema*> children;
  };
  ArrowSchema* add(const std::string& name, const std::string& format, std::span<const Field> children);

  std::vector<std::unique_ptr<Node>> nodes_;
  ArrowSchema root_ = {};
};

// Rows [from, from + rows) of `columns` and the first `rows` of `more`, as a struct array that keeps `owner` until it is
// released.
ArrowArray export_rows(std::span<const Array> columns, uint64_t from, std::span<const Array> more, uint64_t rows,
                       std::shared_ptr<const void> owner);

}  // namespace prerank::arrow
