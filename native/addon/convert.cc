#include "addon/convert.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace prerank::addon {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;  // 2^53 - 1
constexpr size_t kQuotedCharacters = 40;

[[noreturn]] void throw_mismatch(Napi::Value value, const std::string& what, const char* expected) {
  throw_invalid(value.Env(), what + " must be " + expected + ", got " + describe(value));
}

std::string number_text(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.17g", number);
  return text;
}

int64_t integer_in(Napi::Value value, const std::string& what, double lowest, const char* expected) {
  if (!value.IsNumber()) throw_mismatch(value, what, expected);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= lowest && number <= kMaxSafeInteger) || number != std::floor(number)) {
    throw_mismatch(value, what, expected);
  }
  return static_cast<int64_t>(number);
}

const char* typed_array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "an Int8Array";
    case napi_uint8_array: return "a Uint8Array";
    case napi_uint8_clamped_array: return "a Uint8ClampedArray";
    case napi_int16_array: return "an Int16Array";
    case napi_uint16_array: return "a Uint16Array";
    case napi_int32_array: return "an Int32Array";
    case napi_uint32_array: return "a Uint32Array";
    case napi_float32_array: return "a Float32Array";
    case napi_float64_array: return "a Float64Array";
    case napi_bigint64_array: return "a BigInt64Array";
    case napi_biguint64_array: return "a BigUint64Array";
    default: return "a typed array";
  }
}

}  // namespace

std::string describe(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: return number_text(value.As<Napi::Number>().DoubleValue());
    case napi_string: {
      std::string text = value.As<Napi::String>().Utf8Value();
      if (text.size() > kQuotedCharacters) text = text.substr(0, kQuotedCharacters) + "…";
      return "'" + text + "'";
    }
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_external: return "an external value";
    case napi_bigint: return "a bigint";
    default: break;
  }
  if (value.IsArray()) return "an array";
  if (value.IsTypedArray()) return typed_array_name(value.As<Napi::TypedArray>().TypedArrayType());
  return "an object";
}

double to_number(Napi::Value value, const std::string& what) {
  if (!value.IsNumber()) throw_mismatch(value, what, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

double to_finite(Napi::Value value, const std::string& what) {
  const double number = to_number(value, what);
  if (!std::isfinite(number)) throw_mismatch(value, what, "a finite number");
  return number;
}

int64_t to_integer(Napi::Value value, const std::string& what) {
  return integer_in(value, what, -kMaxSafeInteger, "an integer");
}

uint64_t to_unsigned(Napi::Value value, const std::string& what) {
  return static_cast<uint64_t>(integer_in(value, what, 0, "a non-negative integer"));
}

size_t to_positive(Napi::Value value, const std::string& what) {
  return static_cast<size_t>(integer_in(value, what, 1, "a positive integer"));
}

bool to_boolean(Napi::Value value, const std::string& what) {
  if (!value.IsBoolean()) throw_mismatch(value, what, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string to_string(Napi::Value value, const std::string& what) {
  if (!value.IsString()) throw_mismatch(value, what, "a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Array to_array(Napi::Value value, const std::string& what) {
  if (!value.IsArray()) throw_mismatch(value, what, "an array");
  return value.As<Napi::Array>();
}

Napi::Object to_object(Napi::Value value, const std::string& what) {
  if (value.Type() != napi_object) throw_mismatch(value, what, "an object");
  return value.As<Napi::Object>();
}

std::pair<void*, size_t> typed_array_data(Napi::Value value, napi_typedarray_type type, const char* type_name,
                                          const std::string& what) {
  if (!value.IsTypedArray()) throw_mismatch(value, what, type_name);
  napi_typedarray_type actual;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &actual, &length, &data, nullptr, nullptr) != napi_ok) {
    throw Napi::Error::New(value.Env());
  }
  if (actual != type) throw_mismatch(value, what, type_name);
  return {data, data == nullptr ? 0 : length};
}

Fields::Fields(Napi::Value value, std::string name) : object_(to_object(value, name)), name_(std::move(name)) {}

bool Fields::has(const char* key) const {
  const Napi::Value value = get(key);
  return !value.IsUndefined() && !value.IsNull();
}

int32_t Fields::index(const char* key) const {
  const int64_t value = integer_in(get(key), path(key), -1, "an index (an integer from -1)");
  if (value > std::numeric_limits<int32_t>::max()) throw_mismatch(get(key), path(key), "an index below 2^31");
  return static_cast<int32_t>(value);
}

std::vector<int64_t> Fields::integers(const char* key) const {
  std::vector<int64_t> values;
  for_each(array(key), path(key), [&](Napi::Value value, const std::string& what) {
    values.push_back(to_integer(value, what));
  });
  return values;
}

Napi::Float32Array to_float32_array(Napi::Env env, std::span<const float> values) {
  Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Float64Array to_float64_array(Napi::Env env, std::span<const double> values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace prerank::addon
