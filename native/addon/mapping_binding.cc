// mapFile: a file as an ArrayBuffer over its mapping.
#include <memory>
#include <string>
#include <utility>

#include "addon/bindings.h"
#include "addon/convert.h"
#include "prerank/dataset.h"

namespace prerank::addon {
namespace {

// Beyond this Node refuses an external ArrayBuffer after it has run its finalizer, and node-addon-api then runs it
// again.
constexpr size_t kMaxBuffer = size_t{1} << 32;

using SharedFile = std::shared_ptr<MappedFile>;

Napi::ArrayBuffer make_buffer(Napi::Env env, const SharedFile& file) {
  const auto bytes = file->bytes();
  if (bytes.empty()) return Napi::ArrayBuffer::New(env, 0);
  auto owner = std::make_unique<SharedFile>(file);
  // JavaScript may write to the buffer: the mapping is private, so that changes pages of this process only.
  void* const data = const_cast<std::byte*>(bytes.data());
  return Napi::ArrayBuffer::New(
      env, data, bytes.size(),
      [](Napi::BasicEnv, void*, SharedFile* held) { const std::unique_ptr<SharedFile> last(held); }, owner.release());
}

Napi::Value map_file(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const SharedFile file = unwrap(env, MappedFile::open(to_string(call[0], "path")));
  if (file->bytes().size() >= kMaxBuffer) {
    check(env, Status(Code::kUnsupported,
                      file->path() + ": " + std::to_string(file->bytes().size()) +
                          " bytes do not fit one buffer; files must stay below 4 GiB, split the dataset"));
  }
  Napi::Object mapping = Napi::Object::New(env);
  mapping.Set("path", file->path());
  mapping.Set("byteLength", static_cast<double>(file->bytes().size()));
  mapping.Set("buffer", make_buffer(env, file));
  return mapping;
}

}  // namespace

void register_mapping(Napi::Env env, Napi::Object exports) {
  exports.Set("mapFile", Napi::Function::New<map_file>(env, "mapFile"));
}

}  // namespace prerank::addon
