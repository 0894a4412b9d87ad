#include "arrow/column_decoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "arrow/string_views.h"
#include "arrow/utf8.h"

namespace prerank::arrow {
namespace {

using Bytes = std::span<const std::byte>;

Status corrupt(const std::string& what) { return {Code::kInvalidArgument, what}; }

std::string at_row(uint64_t row) { return " at row " + std::to_string(row) + " of the batch"; }

uint64_t count_set_bits(Bytes bits, uint64_t length) {
  uint64_t count = 0;
  const uint64_t words = length / 64;
  for (uint64_t i = 0; i < words; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bits.data() + i * sizeof(word), sizeof(word));
    count += static_cast<uint64_t>(std::popcount(word));
  }
  for (uint64_t i = words * 64; i < length; ++i) count += (static_cast<uint8_t>(bits[i / 8]) >> (i % 8)) & 1U;
  return count;
}

// IEEE 754 binary16 as binary32; every value is exact.
float half_to_float(uint16_t half) {
  const uint32_t sign = (half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t fraction = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

template <class T>
T load(Bytes bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Nulls take no bytes that could vouch for their number.
constexpr uint64_t kMaxNulls = uint64_t{1} << 24;

__extension__ using Int128 = __int128;

}  // namespace

Result<Array> ColumnDecoder::decode(const Field& field, uint64_t rows) {
  PRERANK_ASSIGN_OR_RETURN(const BodyReader::Node node, body_.node());
  if (node.length != rows) {
    return corrupt(std::to_string(node.length) + " values in a batch of " + std::to_string(rows) + " rows");
  }
  return decode_node(field, node);
}

Result<Array> ColumnDecoder::decode_node(const Field& field, BodyReader::Node node) {
  Array out;
  out.length = node.length;
  out.null_count = node.null_count;
  PRERANK_RETURN_IF_ERROR(field.dictionary ? indexed(field, out) : decode_values(field.type, out));
  return out;
}

Status ColumnDecoder::decode_values(const Type& type, Array& out) {
  if (type.code == TypeCode::kNull) {
    if (out.length > kMaxNulls) return corrupt(std::to_string(out.length) + " nulls without data");
    out.null_count = out.length;
    return {};
  }
  PRERANK_RETURN_IF_ERROR(validity(out));
  switch (type.code) {
    case TypeCode::kUtf8: return strings<int32_t>(out);
    case TypeCode::kLargeUtf8: return strings<int64_t>(out);
    case TypeCode::kUtf8View: return string_views(out);
    case TypeCode::kList: return list<int32_t>(type, out);
    case TypeCode::kLargeList: return list<int64_t>(type, out);
    case TypeCode::kFixedSizeList: return fixed_size_list(type, out);
    case TypeCode::kDecimal: return decimals(type, out);
    case TypeCode::kFloatingPoint: return type.bit_width == 16 ? half_floats(out) : fixed_width(type, out);
    case TypeCode::kTime:
      PRERANK_RETURN_IF_ERROR(fixed_width(type, out));
      return check_times(type, out);
    default: return fixed_width(type, out);
  }
}

Status ColumnDecoder::validity(Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const Bytes bits, body_.buffer(0));
  if (bits.empty()) {
    return out.null_count == 0 ? Status() : corrupt(std::to_string(out.null_count) + " nulls without validity bits");
  }
  if (bits.size() < (out.length + 7) / 8) return corrupt("fewer validity bits than values");
  const uint64_t nulls = out.length - count_set_bits(bits, out.length);
  if (nulls != out.null_count) {
    return corrupt(std::to_string(nulls) + " nulls where it says " + std::to_string(out.null_count));
  }
  if (nulls > 0) out.validity = bits.data();
  return {};
}

Status ColumnDecoder::fixed_width(const Type& type, Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const Bytes values, body_.buffer((out.length * value_bits(type) + 7) / 8));
  out.buffers.push_back(values);
  return {};
}

Status ColumnDecoder::half_floats(Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const Bytes halves, body_.buffer(out.length * sizeof(uint16_t)));
  PRERANK_ASSIGN_OR_RETURN(const std::span<float> floats, memory_.allocate<float>(out.length));
  for (uint64_t i = 0; i < out.length; ++i) floats[i] = half_to_float(load<uint16_t>(halves, i));
  out.buffers.push_back(std::as_bytes(floats));
  return {};
}

// Widened to 128 bits, nulls as 0.
Status ColumnDecoder::decimals(const Type& type, Array& out) {
  const uint64_t width = value_bits(type) / 8;
  PRERANK_ASSIGN_OR_RETURN(const Bytes narrow, body_.buffer(out.length * width));
  PRERANK_ASSIGN_OR_RETURN(const std::span<Int128> wide, memory_.allocate<Int128>(out.length));
  Int128 limit = 1;
  for (int32_t i = 0; i < type.precision; ++i) limit *= 10;
  for (uint64_t i = 0; i < out.length; ++i) {
    if (!out.valid(i)) continue;
    const Int128 value = width == 4   ? Int128{load<int32_t>(narrow, i)}
                         : width == 8 ? Int128{load<int64_t>(narrow, i)}
                                      : load<Int128>(narrow, i);
    if (value >= limit || value <= -limit) {
      return corrupt("a decimal of more than " + std::to_string(type.precision) + " digits" + at_row(i));
    }
    wide[i] = value;
  }
  out.buffers.push_back(std::as_bytes(wide));
  return {};
}

Status ColumnDecoder::check_times(const Type& type, const Array& array) const {
  static constexpr std::array<int64_t, 4> kPerSecond = {1, 1000, 1000000, 1000000000};
  const int64_t day = 86400 * kPerSecond[static_cast<size_t>(type.unit)];
  for (uint64_t i = 0; i < array.length; ++i) {
    const int64_t value =
        type.bit_width == 32 ? load<int32_t>(array.buffers[0], i) : load<int64_t>(array.buffers[0], i);
    if (array.valid(i) && (value < 0 || value >= day)) return corrupt("a time outside of the day" + at_row(i));
  }
  return {};
}

template <class Offset>
Result<std::span<const Offset>> ColumnDecoder::offsets(Array& out) {
  // Writers may leave out the one offset of an empty column.
  const uint64_t needed = out.length == 0 ? 0 : (out.length + 1) * sizeof(Offset);
  PRERANK_ASSIGN_OR_RETURN(const Bytes stored, body_.buffer(needed));
  PRERANK_ASSIGN_OR_RETURN(const std::span<Offset> copy, memory_.allocate<Offset>(out.length + 1));
  if (!stored.empty()) std::memcpy(copy.data(), stored.data(), std::min<size_t>(stored.size(), copy.size_bytes()));
  if (copy[0] < 0) return corrupt("a negative offset");
  for (uint64_t i = 0; i < out.length; ++i) {
    if (copy[i + 1] < copy[i]) return corrupt("offsets that fall" + at_row(i));
  }
  out.buffers.push_back(std::as_bytes(copy));
  return std::span<const Offset>(copy);
}

template <class Offset>
Status ColumnDecoder::strings(Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const std::span<const Offset> starts, offsets<Offset>(out));
  PRERANK_ASSIGN_OR_RETURN(const Bytes text, body_.buffer(static_cast<uint64_t>(starts.back())));
  out.buffers.push_back(text);
  const auto begin = static_cast<size_t>(starts.front()), end = static_cast<size_t>(starts.back());
  const bool all_sound = is_utf8(text.subspan(begin, end - begin)) &&
                         std::none_of(starts.begin(), starts.end(), [&](Offset start) {
                           return static_cast<size_t>(start) < end && is_continuation(text[static_cast<size_t>(start)]);
                         });
  if (all_sound) return {};
  // Nulls may stand for any bytes.
  for (uint64_t i = 0; i < out.length; ++i) {
    const auto from = static_cast<size_t>(starts[i]);
    if (out.valid(i) && !is_utf8(text.subspan(from, static_cast<size_t>(starts[i + 1]) - from))) {
      return corrupt("a string that is not UTF-8" + at_row(i));
    }
  }
  return {};
}

Status ColumnDecoder::string_views(Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const Bytes stored, body_.buffer(out.length * sizeof(StringView)));
  PRERANK_ASSIGN_OR_RETURN(const size_t count, body_.variadic_count());
  PRERANK_ASSIGN_OR_RETURN(const std::span<StringView> views, memory_.allocate<StringView>(out.length));
  out.buffers.push_back(std::as_bytes(views));
  for (size_t i = 0; i < count; ++i) {
    PRERANK_ASSIGN_OR_RETURN(const Bytes characters, body_.buffer(0));
    out.buffers.push_back(characters);
  }
  PRERANK_RETURN_IF_ERROR(add_lengths(memory_, out));
  const auto characters = characters_of(out);
  for (uint64_t i = 0; i < out.length; ++i) {
    if (!out.valid(i)) continue;
    views[i] = load<StringView>(stored, i);
    if (!is_sound(views[i], characters)) {
      return corrupt("a string that lies outside of its characters or is not UTF-8" + at_row(i));
    }
  }
  return {};
}

Status ColumnDecoder::add_child(const Type& type, uint64_t needed, Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const BodyReader::Node node, body_.node());
  if (node.length < needed) {
    return corrupt("lists of " + std::to_string(needed) + " values that has only " + std::to_string(node.length));
  }
  PRERANK_ASSIGN_OR_RETURN(Array child, decode_node(type.children.front(), node));
  out.children.push_back(std::move(child));
  return {};
}

template <class Offset>
Status ColumnDecoder::list(const Type& type, Array& out) {
  PRERANK_ASSIGN_OR_RETURN(const std::span<const Offset> starts, offsets<Offset>(out));
  return add_child(type, static_cast<uint64_t>(starts.back()), out);
}

Status ColumnDecoder::fixed_size_list(const Type& type, Array& out) {
  constexpr uint64_t kMaxValues = uint64_t{1} << 40;
  const auto size = static_cast<uint64_t>(type.list_size);
  if (size > 0 && out.length > kMaxValues / size) return corrupt("more values in lists than a batch can have");
  PRERANK_RETURN_IF_ERROR(add_child(type, out.length * size, out));
  PRERANK_ASSIGN_OR_RETURN(const std::span<int64_t> starts, memory_.allocate<int64_t>(out.length + 1));
  for (uint64_t i = 0; i <= out.length; ++i) starts[i] = static_cast<int64_t>(i * size);
  out.buffers.push_back(std::as_bytes(starts));
  return {};
}

Status ColumnDecoder::indexed(const Field& field, Array& out) {
  PRERANK_RETURN_IF_ERROR(validity(out));
  const DictionaryIndex& index = *field.dictionary;
  PRERANK_ASSIGN_OR_RETURN(const Bytes indices, body_.buffer(out.length * static_cast<uint64_t>(index.bit_width) / 8));
  const auto found = dictionaries_.find(index.id);
  if (found == dictionaries_.end()) return corrupt("dictionary " + std::to_string(index.id) + " is missing");
  const Dictionary& dictionary = *found->second;
  switch (index.bit_width) {
    case 8:
      return index.is_signed ? resolve<int8_t>(dictionary, field.type, indices, out)
                             : resolve<uint8_t>(dictionary, field.type, indices, out);
    case 16:
      return index.is_signed ? resolve<int16_t>(dictionary, field.type, indices, out)
                             : resolve<uint16_t>(dictionary, field.type, indices, out);
    case 32:
      return index.is_signed ? resolve<int32_t>(dictionary, field.type, indices, out)
                             : resolve<uint32_t>(dictionary, field.type, indices, out);
    default: return resolve<uint64_t>(dictionary, field.type, indices, out);  // a negative index is too large
  }
}

template <class Index>
Status ColumnDecoder::resolve(const Dictionary& dictionary, const Type& type, Bytes indices, Array& out) {
  const Array& values = dictionary.values;
  const Type decoded = decoded_field({.name = {}, .type = type, .dictionary = DictionaryIndex()}).type;
  const bool views = decoded.code == TypeCode::kUtf8View;
  const uint64_t bits = views ? sizeof(StringView) * 8 : value_bits(decoded);
  const size_t bytes = static_cast<size_t>(bits / 8);
  PRERANK_ASSIGN_OR_RETURN(const std::span<std::byte> result, memory_.allocate((out.length * bits + 7) / 8));
  PRERANK_ASSIGN_OR_RETURN(const std::span<std::byte> valid, memory_.allocate((out.length + 7) / 8));
  uint64_t nulls = 0;
  for (uint64_t i = 0; i < out.length; ++i) {
    if (!out.valid(i)) {
      ++nulls;
      continue;
    }
    const auto index = static_cast<uint64_t>(load<Index>(indices, i));
    if (index >= values.length) {
      return corrupt("an index outside of the dictionary of " + std::to_string(values.length) + " values" + at_row(i));
    }
    if (!values.valid(index)) {
      ++nulls;
      continue;
    }
    const std::byte bit = std::byte{1} << (i % 8);
    valid[i / 8] |= bit;
    if (bits == 1) {
      const bool is_set = ((values.buffers[0][index / 8] >> (index % 8)) & std::byte{1}) != std::byte{0};
      if (is_set) result[i / 8] |= bit;
    } else {
      std::memcpy(result.data() + i * bytes, values.buffers[0].data() + index * bytes, bytes);
    }
  }
  out.null_count = nulls;
  out.validity = nulls > 0 ? valid.data() : nullptr;
  out.buffers = views ? values.buffers : std::vector<Bytes>(1);
  out.buffers[0] = result;
  return {};
}

Status ColumnDecoder::skip_children(const Type& type) {
  for (const Field& child : type.children) PRERANK_RETURN_IF_ERROR(skip(child));
  return {};
}

Status ColumnDecoder::skip(const Field& field) {
  PRERANK_RETURN_IF_ERROR(body_.node().status());
  if (field.dictionary) return body_.skip_buffers(2);
  const Type& type = field.type;
  switch (type.code) {
    case TypeCode::kNull: return {};
    case TypeCode::kRunEndEncoded: break;
    case TypeCode::kStruct:
    case TypeCode::kFixedSizeList: PRERANK_RETURN_IF_ERROR(body_.skip_buffers(1)); break;
    case TypeCode::kList:
    case TypeCode::kLargeList:
    case TypeCode::kMap: PRERANK_RETURN_IF_ERROR(body_.skip_buffers(2)); break;
    case TypeCode::kListView:
    case TypeCode::kLargeListView: PRERANK_RETURN_IF_ERROR(body_.skip_buffers(3)); break;
    case TypeCode::kUnion: {
      const size_t own = (unions_have_validity_ ? 1U : 0U) + (type.dense ? 2U : 1U);
      PRERANK_RETURN_IF_ERROR(body_.skip_buffers(own));
      break;
    }
    case TypeCode::kUtf8:
    case TypeCode::kLargeUtf8:
    case TypeCode::kBinary:
    case TypeCode::kLargeBinary: return body_.skip_buffers(3);
    case TypeCode::kUtf8View:
    case TypeCode::kBinaryView: {
      PRERANK_RETURN_IF_ERROR(body_.skip_buffers(2));
      PRERANK_ASSIGN_OR_RETURN(const size_t count, body_.variadic_count());
      return body_.skip_buffers(count);
    }
    default: return body_.skip_buffers(2);
  }
  return skip_children(type);
}

}  // namespace prerank::arrow
