#include "addon/dataset_binding.h"

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "addon/tagged.h"

namespace prerank::addon {
namespace {

bool is_list(ColumnType type) { return type == ColumnType::kListUint32 || type == ColumnType::kListFloat32; }

template <class T>
void set_values(ColumnChunk& chunk, Napi::Value values, const std::string& what) {
  const auto data = to_span<T>(values, what);
  chunk.values = data.data();
  chunk.value_count = data.size();
}

// Reads one chunk and adds its arrays to `held`.
ColumnChunk read_chunk(const Fields& fields, ColumnType type, Napi::Array held) {
  ColumnChunk chunk;
  chunk.rows = fields.unsigned_integer("rows");
  const Napi::Value values = fields.get("values");
  switch (type) {
    case ColumnType::kFloat32:
    case ColumnType::kListFloat32:
      set_values<float>(chunk, values, fields.path("values"));
      break;
    case ColumnType::kUint32:
    case ColumnType::kListUint32:
      set_values<uint32_t>(chunk, values, fields.path("values"));
      break;
    case ColumnType::kUint8:
      set_values<uint8_t>(chunk, values, fields.path("values"));
      break;
  }
  held.Set(held.Length(), values);
  if (!is_list(type) || chunk.rows == 0) return chunk;
  const auto offsets = to_span<int32_t>(fields.get("offsets"), fields.path("offsets"));
  if (offsets.size() < chunk.rows + 1) {
    throw_invalid(fields.env(), fields.path("offsets") + " has " + std::to_string(offsets.size()) + " entries for " +
                                    std::to_string(chunk.rows) + " rows");
  }
  chunk.offsets = offsets.data();
  held.Set(held.Length(), fields.get("offsets"));
  return chunk;
}

Column read_column(const Fields& fields, Napi::Array held) {
  Column column;
  column.name = fields.string("name");
  column.type = fields.choice<ColumnType>("type", {{"float32", ColumnType::kFloat32},
                                                   {"uint32", ColumnType::kUint32},
                                                   {"uint8", ColumnType::kUint8},
                                                   {"list<uint32>", ColumnType::kListUint32},
                                                   {"list<float32>", ColumnType::kListFloat32}});
  for_each(fields.array("chunks"), "column " + column.name + ": chunks",
           [&](Napi::Value chunk, const std::string& what) {
             column.chunks.push_back(read_chunk(Fields(chunk, what), column.type, held));
           });
  return column;
}

uint64_t read_hash(const Fields& fields, const char* key) {
  const std::string digits = fields.string(key);
  uint64_t hash = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
  if (digits.size() != 16 || error != std::errc() || end != digits.data() + digits.size()) {
    throw_invalid(fields.env(), fields.path(key) + " must be 16 hexadecimal digits, got '" + digits + "'");
  }
  return hash;
}

// Reads one chunk's checksum and adds the message's array to `held`.
ChunkChecksum read_checksum(const Fields& fields, Napi::Array held) {
  const Napi::Value message = fields.get("message");
  held.Set(held.Length(), message);
  return {std::as_bytes(to_span<uint8_t>(message, fields.path("message"))), read_hash(fields, "checksum"),
          fields.string("file"), static_cast<size_t>(fields.unsigned_integer("batch"))};
}

class DatasetBinding : public Napi::ObjectWrap<DatasetBinding> {
 public:
  static constexpr napi_type_tag kTag = {0x3f2e8b9a1c5d4e77u, 0xa1907c4de2b84f03u};

  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("Dataset", DefineClass(env, "Dataset",
                                       {InstanceAccessor<&DatasetBinding::rows>("rows"),
                                        InstanceMethod<&DatasetBinding::addresses>("addresses")}));
  }

  explicit DatasetBinding(const Napi::CallbackInfo& call) : Napi::ObjectWrap<DatasetBinding>(call) {
    const Napi::Env env = call.Env();
    Napi::Array held = Napi::Array::New(env);
    std::vector<Column> columns;
    for_each(to_array(call[0], "columns"), "columns", [&](Napi::Value column, const std::string& what) {
      columns.push_back(read_column(Fields(column, what), held));
    });
    held.Set(held.Length(), to_array(call[1], "owners"));
    std::vector<ChunkChecksum> checksums;
    if (!call[2].IsUndefined()) {
      for_each(to_array(call[2], "checksums"), "checksums", [&](Napi::Value checksum, const std::string& what) {
        checksums.push_back(read_checksum(Fields(checksum, what), held));
      });
    }
    dataset_ = unwrap(env, Dataset::create(std::move(columns), nullptr, std::move(checksums)));
    held_ = Napi::Persistent(held.As<Napi::Object>());
    call.This().As<Napi::Object>().TypeTag(&kTag);
  }

  const std::shared_ptr<Dataset>& dataset() const { return dataset_; }

 private:
  Napi::Value rows(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(dataset_->rows()));
  }

  Napi::Value addresses(const Napi::CallbackInfo& call) {
    Napi::Array result = Napi::Array::New(call.Env());
    for (const Column& column : dataset_->columns()) {
      const size_t element = column.type == ColumnType::kUint8 ? 1 : 4;
      for (const ColumnChunk& chunk : column.chunks) {
        add_address(result, column.name, chunk.values, chunk.value_count * element);
        if (chunk.offsets != nullptr)
          add_address(result, column.name, chunk.offsets, (chunk.rows + 1) * sizeof(int32_t));
      }
    }
    return result;
  }

  static void add_address(Napi::Array list, const std::string& column, const void* address, size_t bytes) {
    if (bytes == 0) return;
    const Napi::HandleScope scope(list.Env());
    Napi::Object entry = Napi::Object::New(list.Env());
    entry.Set("column", column);
    entry.Set("address", Napi::BigInt::New(list.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(address))));
    entry.Set("bytes", static_cast<double>(bytes));
    list.Set(list.Length(), entry);
  }

  std::shared_ptr<Dataset> dataset_;
  Napi::ObjectReference held_;  // the arrays under the columns, and their owners
};

}  // namespace

std::shared_ptr<Dataset> unwrap_dataset(Napi::Value value) {
  return unwrap_tagged<DatasetBinding>(value, "a Dataset")->dataset();
}

void register_dataset(Napi::Env env, Napi::Object exports) { DatasetBinding::define(env, exports); }

}  // namespace prerank::addon
