#include "ingest/verdict_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "ingest/number_values.h"

namespace prerank::ingest {
namespace {

constexpr size_t kLongestText = 200;

template <class T>
void append_chars(T value, std::string& text) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  text.append(digits, end);
}

template <class T>
void append_float(T value, std::string& text) {
  if (std::isnan(value)) text += "NaN";
  else if (std::isinf(value)) text += value < 0 ? "-Infinity" : "Infinity";
  else append_chars(value, text);
}

// Stops when the text is long enough for a reject: a list may be very long.
void append_list(const VectorView& view, size_t row, std::string& text) {
  const auto [offset, length] = view.list(row);
  text += '[';
  for (uint64_t i = 0; i < length && text.size() <= kLongestText; ++i) {
    if (i > 0) text += ", ";
    const size_t element = offset + i;
    if (element < view.child->size && view.child->valid(element)) append_text(*view.child, element, text);
    else text += "NULL";
  }
  text += ']';
}

}  // namespace

void append_number(double value, std::string& text) { append_float(value, text); }

void append_text(const VectorView& view, size_t row, std::string& text) {
  if (!view.valid(row)) return;
  switch (view.type) {
    case Physical::kString:
      text += view.text(row);
      return;
    case Physical::kList:
      append_list(view, row, text);
      return;
    case Physical::kBool:
      text += static_cast<const uint8_t*>(view.data)[row] != 0 ? "true" : "false";
      return;
    case Physical::kFloat:
      append_float(static_cast<const float*>(view.data)[row], text);
      return;
    case Physical::kDouble:
      append_float(static_cast<const double*>(view.data)[row], text);
      return;
    default:
      with_numbers(view, [&](const auto* values) { append_chars(values[row], text); });
  }
}

std::string file_of(const BlockRow& place, std::optional<size_t> origin_input) {
  if (!origin_input.has_value()) return std::string(place.origin);
  std::string file;
  append_text(place.chunk->column(*origin_input), place.row, file);
  return file;
}

std::string reject_text(const VectorView& view, size_t row) {
  std::string text;
  append_text(view, row, text);
  if (text.size() <= kLongestText) return text;
  size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace prerank::ingest
