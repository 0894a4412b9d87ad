#include "arrow/export.h"

#include <array>
#include <utility>

namespace prerank::arrow {
namespace {

constexpr int64_t kNullable = 2;  // ARROW_FLAG_NULLABLE

std::string format_of(const Type& type) {
  static constexpr std::array<char, 4> kUnits = {'s', 'm', 'u', 'n'};
  switch (type.code) {
    case TypeCode::kBool: return "b";
    case TypeCode::kInt: {
      const char* const of_width = type.bit_width == 8    ? "cC"
                                   : type.bit_width == 16 ? "sS"
                                   : type.bit_width == 32 ? "iI"
                                                          : "lL";
      return {of_width[type.is_signed ? 0 : 1]};
    }
    case TypeCode::kFloatingPoint: return type.bit_width == 32 ? "f" : "g";
    case TypeCode::kUtf8: return "u";
    case TypeCode::kLargeUtf8: return "U";
    case TypeCode::kUtf8View: return "vu";
    case TypeCode::kDate: return type.unit == 0 ? "tdD" : "tdm";
    case TypeCode::kTime: return std::string("tt") + kUnits[static_cast<size_t>(type.unit)];
    case TypeCode::kTimestamp:
      return std::string("ts") + kUnits[static_cast<size_t>(type.unit)] + (type.zoned ? ":UTC" : ":");
    case TypeCode::kDecimal: return "d:" + std::to_string(type.precision) + "," + std::to_string(type.scale);
    case TypeCode::kList: return "+l";
    case TypeCode::kLargeList: return "+L";
    default: return "n";
  }
}

void release_lent(ArrowSchema* schema) { schema->release = nullptr; }

// Everything an exported array points to; the root's also keeps the values alive.
struct ArrayParts {
  std::vector<const void*> buffers;
  std::vector<std::unique_ptr<ArrowArray>> children;
  std::vector<ArrowArray*> child_pointers;
  std::shared_ptr<const void> owner;
};

void release_array(ArrowArray* array) {
  const std::unique_ptr<ArrayParts> parts(static_cast<ArrayParts*>(array->private_data));
  for (const auto& child : parts->children) {
    if (child->release != nullptr) child->release(child.get());
  }
  array->release = nullptr;
}

ArrowArray make(uint64_t length, uint64_t offset, int64_t null_count, std::unique_ptr<ArrayParts> parts) {
  for (const auto& child : parts->children) parts->child_pointers.push_back(child.get());
  ArrowArray array = {};
  array.length = static_cast<int64_t>(length);
  array.null_count = null_count;
  array.offset = static_cast<int64_t>(offset);
  array.n_buffers = static_cast<int64_t>(parts->buffers.size());
  array.n_children = static_cast<int64_t>(parts->children.size());
  array.buffers = parts->buffers.data();
  array.children = parts->child_pointers.data();
  array.release = &release_array;
  array.private_data = parts.release();
  return array;
}

ArrowArray export_array(const Array& source, uint64_t from, uint64_t length) {
  auto parts = std::make_unique<ArrayParts>();
  // Only columns of nulls have no buffers, not even validity bits.
  if (!source.buffers.empty()) parts->buffers.push_back(source.validity);
  for (const auto buffer : source.buffers) parts->buffers.push_back(buffer.data());
  for (const Array& child : source.children) {
    parts->children.push_back(std::make_unique<ArrowArray>(export_array(child, 0, child.length)));
  }
  const bool is_whole = from == 0 && length == source.length;
  const int64_t nulls = source.null_count == 0 || is_whole ? static_cast<int64_t>(source.null_count) : -1;
  return make(length, from, source.buffers.empty() ? static_cast<int64_t>(length) : nulls, std::move(parts));
}

}  // namespace

ExportedSchema::ExportedSchema(std::span<const Field> fields) {
  std::vector<ArrowSchema*> columns;
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string name("c");
    name += std::to_string(i);
    columns.push_back(add(name, format_of(fields[i].type), fields[i].type.children));
  }
  ArrowSchema* const schema = add("", "+s", {});
  nodes_.back()->children = std::move(columns);
  schema->n_children = static_cast<int64_t>(nodes_.back()->children.size());
  schema->children = nodes_.back()->children.data();
  root_ = *schema;
}

ArrowSchema* ExportedSchema::add(const std::string& name, const std::string& format, std::span<const Field> children) {
  auto node = std::make_unique<Node>();
  node->name = name;
  node->format = format;
  for (const Field& child : children) {
    node->children.push_back(add("item", format_of(child.type), child.type.children));
  }
  ArrowSchema& schema = node->schema;
  schema.format = node->format.c_str();
  schema.name = node->name.c_str();
  schema.flags = kNullable;
  schema.n_children = static_cast<int64_t>(node->children.size());
  schema.children = node->children.data();
  schema.release = &release_lent;
  nodes_.push_back(std::move(node));
  return &schema;
}

ArrowSchema ExportedSchema::lend() { return root_; }

ArrowArray export_rows(std::span<const Array> columns, uint64_t from, std::span<const Array> more, uint64_t rows,
                       std::shared_ptr<const void> owner) {
  auto parts = std::make_unique<ArrayParts>();
  parts->buffers.push_back(nullptr);
  for (const Array& column : columns) {
    parts->children.push_back(std::make_unique<ArrowArray>(export_array(column, from, rows)));
  }
  for (const Array& column : more) {
    parts->children.push_back(std::make_unique<ArrowArray>(export_array(column, 0, rows)));
  }
  parts->owner = std::move(owner);
  return make(rows, 0, 0, std::move(parts));
}

}  // namespace prerank::arrow
