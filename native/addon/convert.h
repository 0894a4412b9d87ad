// Checked access to what JavaScript passes in: every accessor throws an INVALID_ARGUMENT error that names the field
// ("ProgramSettings.threads must be a positive integer, got -1") instead of reading something else.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addon/errors.h"

namespace prerank::addon {

// What a value is, for error messages: `-1`, `"adam"`, `undefined`, `a Float32Array`, …
std::string describe(Napi::Value value);

// Single values; `what` is the name in messages. Integers are safe integers (below 2^53).
double to_number(Napi::Value value, const std::string& what);  // any double
double to_finite(Napi::Value value, const std::string& what);
int64_t to_integer(Napi::Value value, const std::string& what);
uint64_t to_unsigned(Napi::Value value, const std::string& what);  // >= 0
size_t to_positive(Napi::Value value, const std::string& what);    // >= 1
bool to_boolean(Napi::Value value, const std::string& what);
std::string to_string(Napi::Value value, const std::string& what);
Napi::Array to_array(Napi::Value value, const std::string& what);
Napi::Object to_object(Napi::Value value, const std::string& what);

template <class T>
struct TypedArrayOf;  // type code and name of the typed array whose elements are T
template <>
struct TypedArrayOf<float> {
  static constexpr napi_typedarray_type kType = napi_float32_array;
  static constexpr const char* kName = "a Float32Array";
};
template <>
struct TypedArrayOf<double> {
  static constexpr napi_typedarray_type kType = napi_float64_array;
  static constexpr const char* kName = "a Float64Array";
};
template <>
struct TypedArrayOf<uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
  static constexpr const char* kName = "a Uint8Array";
};
template <>
struct TypedArrayOf<int32_t> {
  static constexpr napi_typedarray_type kType = napi_int32_array;
  static constexpr const char* kName = "an Int32Array";
};
template <>
struct TypedArrayOf<uint32_t> {
  static constexpr napi_typedarray_type kType = napi_uint32_array;
  static constexpr const char* kName = "a Uint32Array";
};
template <>
struct TypedArrayOf<int64_t> {
  static constexpr napi_typedarray_type kType = napi_bigint64_array;
  static constexpr const char* kName = "a BigInt64Array";
};
template <>
struct TypedArrayOf<uint64_t> {
  static constexpr napi_typedarray_type kType = napi_biguint64_array;
  static constexpr const char* kName = "a BigUint64Array";
};

// Address and length of a typed array; throws unless its elements are of `type`.
std::pair<void*, size_t> typed_array_data(Napi::Value value, napi_typedarray_type type, const char* type_name,
                                          const std::string& what);

// The elements of a typed array. Valid while the array is alive and no JavaScript runs.
template <class T>
std::span<T> to_span(Napi::Value value, const std::string& what) {
  const auto [data, length] = typed_array_data(value, TypedArrayOf<T>::kType, TypedArrayOf<T>::kName, what);
  return {static_cast<T*>(data), length};
}

// A copy of a typed array.
template <class T>
std::vector<T> to_vector(Napi::Value value, const std::string& what) {
  const std::span<T> data = to_span<T>(value, what);
  return {data.begin(), data.end()};
}

template <class Enum>
using Choices = std::initializer_list<std::pair<std::string_view, Enum>>;

// Fields of an options object. `name` prefixes the field in messages.
class Fields {
 public:
  // Throws unless `value` is an object.
  Fields(Napi::Value value, std::string name);

  Napi::Env env() const { return object_.Env(); }
  const std::string& name() const { return name_; }
  std::string path(const char* key) const { return name_ + "." + key; }
  // False for absent, undefined and null.
  bool has(const char* key) const;
  Napi::Value get(const char* key) const { return object_.Get(key); }

  double number(const char* key) const { return to_number(get(key), path(key)); }
  double finite(const char* key) const { return to_finite(get(key), path(key)); }
  int64_t integer(const char* key) const { return to_integer(get(key), path(key)); }
  int32_t index(const char* key) const;  // an integer that fits int32: -1 and up
  uint64_t unsigned_integer(const char* key) const { return to_unsigned(get(key), path(key)); }
  size_t positive(const char* key) const { return to_positive(get(key), path(key)); }
  bool boolean(const char* key) const { return to_boolean(get(key), path(key)); }
  std::string string(const char* key) const { return to_string(get(key), path(key)); }
  Napi::Array array(const char* key) const { return to_array(get(key), path(key)); }
  Fields object(const char* key) const { return Fields(get(key), path(key)); }
  std::vector<int64_t> integers(const char* key) const;  // an array of integers

  // One of the given words.
  template <class Enum>
  Enum choice(const char* key, Choices<Enum> choices) const {
    const std::string word = string(key);
    std::string allowed;
    for (const auto& [name, value] : choices) {
      if (word == name) return value;
      allowed += (allowed.empty() ? "'" : ", '") + std::string(name) + "'";
    }
    throw_invalid(env(), path(key) + " must be one of " + allowed + ", got '" + word + "'");
  }

 private:
  Napi::Object object_;
  std::string name_;
};

// Calls each(element, "what[i]") over an array.
template <class Each>
void for_each(Napi::Array array, const std::string& what, Each each) {
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(array.Env());
    each(array.Get(i), what + "[" + std::to_string(i) + "]");
  }
}

// A copy of numbers as a new typed array.
Napi::Float32Array to_float32_array(Napi::Env env, std::span<const float> values);
Napi::Float64Array to_float64_array(Napi::Env env, std::span<const double> values);

}  // namespace prerank::addon
