// hashInt64, hashUtf8: xxHash64 of many keys at once.
#include <string>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "base/xxhash.h"

namespace prerank::addon {
namespace {

Napi::Value hash_int64(const Napi::CallbackInfo& call) {
  const auto values = to_span<int64_t>(call[0], "values");
  Napi::BigUint64Array hashes = Napi::BigUint64Array::New(call.Env(), values.size());
  for (size_t i = 0; i < values.size(); ++i) hashes.Data()[i] = xxh64(&values[i], sizeof(int64_t));
  return hashes;
}

Napi::Value hash_utf8(const Napi::CallbackInfo& call) {
  const auto bytes = to_span<uint8_t>(call[0], "bytes");
  const auto offsets = to_span<int32_t>(call[1], "offsets");
  const size_t count = offsets.empty() ? 0 : offsets.size() - 1;
  for (size_t i = 0; i < count; ++i) {
    const int64_t begin = offsets[i], end = offsets[i + 1];
    if (begin < 0 || end < begin || static_cast<size_t>(end) > bytes.size()) {
      throw_invalid(call.Env(), "offsets " + std::to_string(begin) + " and " + std::to_string(end) + " of string " +
                                    std::to_string(i) + " do not fit " + std::to_string(bytes.size()) + " bytes");
    }
  }
  Napi::BigUint64Array hashes = Napi::BigUint64Array::New(call.Env(), count);
  for (size_t i = 0; i < count; ++i) {
    hashes.Data()[i] = xxh64(bytes.data() + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
  }
  return hashes;
}

}  // namespace

void register_hash(Napi::Env env, Napi::Object exports) {
  exports.Set("hashInt64", Napi::Function::New<hash_int64>(env, "hashInt64"));
  exports.Set("hashUtf8", Napi::Function::New<hash_utf8>(env, "hashUtf8"));
}

}  // namespace prerank::addon
