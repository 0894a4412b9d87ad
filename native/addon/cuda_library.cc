#include "addon/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace prerank::addon {
namespace {

constexpr char kFile[] = "libprerank_cuda.so";

// The folder of the shared object that this code is in.
std::filesystem::path own_folder() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<const void*>(&kFile), &info) == 0 || info.dli_fname == nullptr) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

// Of the library to open; empty when there is none.
std::filesystem::path library_file() {
  const char* const given = std::getenv("PRERANK_CUDA_LIBRARY");
  if (given != nullptr && *given != '\0') return given;
  for (const auto& folder : {own_folder(), own_folder().parent_path()}) {
    std::error_code error;
    if (std::filesystem::exists(folder / kFile, error)) return folder / kFile;
  }
  return {};
}

Result<const CudaLibrary*> open_library(const std::filesystem::path& file) {
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    return Status(Code::kUnsupported,
                  "the CUDA library cannot be loaded: " + std::string(reason == nullptr ? file.c_str() : reason));
  }
  const auto entry = reinterpret_cast<const CudaLibrary* (*)()>(dlsym(handle, kCudaLibrarySymbol));
  if (entry == nullptr) return Status(Code::kUnsupported, file.string() + " is not prerank's CUDA library");
  const CudaLibrary* const library = entry();
  if (std::string_view(library->build) != kCudaBuild) {
    return Status(Code::kUnsupported, file.string() + " is of another build (" + library->build + ") than the addon (" +
                                          kCudaBuild + "): build both again");
  }
  return library;
}

}  // namespace

// Libraries stay open: programs and stores use their code to the end.
Result<const CudaLibrary*> cuda_library() {
  static std::mutex mutex;
  static std::map<std::filesystem::path, Result<const CudaLibrary*>> opened;
  const std::filesystem::path file = library_file();
  if (file.empty()) {
    return Status(Code::kUnsupported, std::string("this build has no CUDA library (") + kFile +
                                          "): build it with npm run build:cuda, which needs nvcc");
  }
  const std::lock_guard lock(mutex);
  const auto found = opened.find(file);
  return found != opened.end() ? found->second : opened.emplace(file, open_library(file)).first->second;
}

}  // namespace prerank::addon
