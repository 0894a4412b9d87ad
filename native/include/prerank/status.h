// Errors as values. Nothing in the core throws; the addon turns a Status into a JavaScript error in one place.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace prerank {

// Each code has one stable name (see code_name), which JavaScript sees as PrerankError.code.
enum class Code {
  kOk,
  kInvalidArgument,
  kOutOfRange,
  kNotFound,
  kIoError,
  kDatasetChanged,
  kDatasetCorrupt,
  kOutOfMemory,
  kCancelled,
  kNonFinite,
  kUnsupported,
  kInternal,
};

// "INVALID_ARGUMENT", "OUT_OF_RANGE", …
const char* code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}             // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {}     // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace prerank

#define PRERANK_CONCAT_INNER(a, b) a##b
#define PRERANK_CONCAT(a, b) PRERANK_CONCAT_INNER(a, b)

#define PRERANK_RETURN_IF_ERROR(expression)                 \
  do {                                                      \
    if (::prerank::Status prerank_status = (expression); !prerank_status.ok()) return prerank_status; \
  } while (false)

// PRERANK_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
#define PRERANK_ASSIGN_OR_RETURN(target, expression)                                      \
  auto PRERANK_CONCAT(prerank_result_, __LINE__) = (expression);                          \
  if (!PRERANK_CONCAT(prerank_result_, __LINE__).ok())                                    \
    return PRERANK_CONCAT(prerank_result_, __LINE__).status();                            \
  target = std::move(PRERANK_CONCAT(prerank_result_, __LINE__)).value()
