#include "arrow/batch_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "arrow/string_views.h"

namespace prerank::arrow {
namespace {

// A row group of the file that is written; a multiple of DuckDB's vectors and of a validity word.
constexpr uint64_t kSliceRows = 122880;

BatchStream& owner_of(ArrowArrayStream* stream) { return *static_cast<BatchStream*>(stream->private_data); }

Field plain_field(TypeCode code, int32_t bit_width) {
  Field field;
  field.type.code = code;
  field.type.bit_width = bit_width;
  field.type.is_signed = true;
  return field;
}

// The path in every row.
Result<Array> path_column(const std::string& path, uint64_t rows, BatchMemory& memory) {
  StringView view;
  view.length = static_cast<int32_t>(path.size());
  auto* const text = reinterpret_cast<std::byte*>(&view) + sizeof(view.length);
  std::memcpy(text, path.data(), path.size() <= StringView::kInline ? path.size() : StringView::kPrefix);
  PRERANK_ASSIGN_OR_RETURN(const std::span<StringView> views, memory.allocate<StringView>(rows));
  std::fill(views.begin(), views.end(), view);
  Array column;
  column.length = rows;
  column.buffers = {std::as_bytes(views), std::as_bytes(std::span(path))};
  PRERANK_RETURN_IF_ERROR(add_lengths(memory, column));
  return column;
}

Result<Array> row_column(uint64_t first, uint64_t rows, BatchMemory& memory) {
  PRERANK_ASSIGN_OR_RETURN(const std::span<int64_t> numbers, memory.allocate<int64_t>(rows));
  for (uint64_t i = 0; i < rows; ++i) numbers[i] = static_cast<int64_t>(first + i);
  Array column;
  column.length = rows;
  column.buffers = {std::as_bytes(numbers)};
  return column;
}

}  // namespace

Status BatchStream::State::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void BatchStream::State::fail(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (status_.ok()) status_ = status;
}

// What an exported slice needs until it is released.
struct BatchStream::Slice {
  Slice(std::shared_ptr<State> of, std::shared_ptr<const RecordBatch> rows_of)
      : state(std::move(of)), batch(std::move(rows_of)), memory(kSliceRows * (sizeof(StringView) + sizeof(int64_t)) + 64) {}
  ~Slice() { state->fail(batch->file->check_unchanged()); }
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  std::shared_ptr<State> state;
  std::shared_ptr<const RecordBatch> batch;
  BatchMemory memory;
};

BatchStream::BatchStream(FileGroup group, size_t memory_limit, std::function<bool()> cancelled)
    : group_(std::move(group)),
      memory_limit_(memory_limit),
      cancelled_(std::move(cancelled)),
      state_(std::make_shared<State>()) {
  stream_.get_schema = &BatchStream::get_schema;
  stream_.get_next = &BatchStream::get_next;
  stream_.get_last_error = &BatchStream::get_last_error;
  stream_.release = [](ArrowArrayStream* stream) { stream->release = nullptr; };
  stream_.private_data = this;
}

BatchStream::~BatchStream() = default;

int BatchStream::get_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  BatchStream& self = owner_of(stream);
  std::vector<Field> fields;
  for (const Field& field : self.group_.columns) fields.push_back(decoded_field(field));
  fields.push_back(plain_field(TypeCode::kUtf8View, 0));
  fields.push_back(plain_field(TypeCode::kInt, 64));
  self.schemas_.push_back(std::make_unique<ExportedSchema>(fields));
  *out = self.schemas_.back()->lend();
  return 0;
}

int BatchStream::get_next(ArrowArrayStream* stream, ArrowArray* out) {
  BatchStream& self = owner_of(stream);
  *out = {};
  Status status = self.state_->status();
  if (status.ok()) status = self.next(*out);
  if (status.ok()) return 0;
  self.state_->fail(status);
  self.last_error_ = status.message();
  return EIO;
}

const char* BatchStream::get_last_error(ArrowArrayStream* stream) { return owner_of(stream).last_error_.c_str(); }

Status BatchStream::next(ArrowArray& out) {
  if (cancelled_()) return {Code::kCancelled, "reading Arrow files was cancelled"};
  while (batch_ == nullptr || batch_row_ == batch_->rows) {
    batch_.reset();
    batch_row_ = 0;
    if (reader_ == nullptr) {
      if (next_file_ == group_.paths.size()) return {};
      PRERANK_RETURN_IF_ERROR(open_next_file());
    }
    PRERANK_ASSIGN_OR_RETURN(batch_, reader_->next());
    if (batch_ == nullptr) reader_.reset();
  }
  const uint64_t rows = std::min(kSliceRows, batch_->rows - batch_row_);
  PRERANK_ASSIGN_OR_RETURN(out, slice(rows));
  batch_row_ += rows;
  file_row_ += rows;
  rows_ += rows;
  return {};
}

Status BatchStream::open_next_file() {
  const std::string& path = group_.paths[next_file_++];
  PRERANK_ASSIGN_OR_RETURN(std::shared_ptr<const IpcFile> file, IpcFile::open(path));
  PRERANK_ASSIGN_OR_RETURN(const std::vector<Field> columns, readable_columns(*file));
  if (columns != group_.columns) {
    return {Code::kDatasetChanged, path + ": its columns changed while the files were being read; start again"};
  }
  PRERANK_ASSIGN_OR_RETURN(BatchReader reader, BatchReader::create(std::move(file), memory_limit_));
  reader_ = std::make_unique<BatchReader>(std::move(reader));
  file_row_ = 0;
  return {};
}

Result<ArrowArray> BatchStream::slice(uint64_t rows) {
  const auto owner = std::make_shared<Slice>(state_, batch_);
  const std::string& path = batch_->file->path();
  PRERANK_ASSIGN_OR_RETURN(Array paths, path_column(path, rows, owner->memory));
  PRERANK_ASSIGN_OR_RETURN(Array numbers, row_column(file_row_, rows, owner->memory));
  return export_rows(batch_->columns, batch_row_, std::array{std::move(paths), std::move(numbers)}, rows, owner);
}

}  // namespace prerank::arrow
