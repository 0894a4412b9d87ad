// What the CUDA library gives the addon, which opens it when somebody asks for a GPU. Both are built from one tree by one
// compiler: `build` says so, and a library of another build is refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "prerank/program.h"

namespace prerank {

struct CudaDevice {
  int number = 0;
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  size_t memory = 0, free_memory = 0;
};

// How much a measurement of the roof moves and multiplies: as much as hides the start of the work.
struct CudaRoofSizes {
  size_t copy_bytes = 0;   // of source and target each
  size_t product = 0;      // rows and columns of both matrices
  size_t repetitions = 0;
};

// What a device does at most, best of the repetitions.
struct CudaRoof {
  double copy = 0;                                // bytes a second, read and written, from device memory to device memory
  double float32 = 0, tf32 = 0, bfloat16 = 0;     // operations a second of a product, by what its operands are rounded to
};

struct CudaLibrary {
  const char* build = nullptr;
  // The devices that programs may use. kUnsupported with the reason when there is none.
  Result<std::vector<CudaDevice>> (*devices)() = nullptr;
  // The file that cuBLASLt was found in. kUnsupported with what was tried.
  Result<std::string> (*cublas)() = nullptr;
  Result<std::unique_ptr<Program>> (*create_program)(Plan plan, std::shared_ptr<ParameterStore> store,
                                                     const ProgramOptions& options) = nullptr;
  std::vector<std::string> (*kernel_kinds)() = nullptr;
  Result<CudaRoof> (*measure_roof)(int device, const CudaRoofSizes& sizes) = nullptr;
};

// The name of the library's only exported function, of type `const CudaLibrary* ()`.
inline constexpr char kCudaLibrarySymbol[] = "prerank_cuda_library";
// The same in the addon and in the library when they were built together.
inline constexpr char kCudaBuild[] = PRERANK_VERSION " " __VERSION__;

}  // namespace prerank
