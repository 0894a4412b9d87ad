// The linker's --wrap (CMakeLists.txt) sends every call of these functions from the addon's objects to __wrap_…, and
// gives the original as __real_….
#include "addon/allocation_counter.h"

#include <cstddef>
#include <cstdint>
#include <new>

namespace prerank::addon {

#ifdef PRERANK_COUNT_ALLOCATIONS

namespace {
thread_local uint64_t allocations = 0;
}  // namespace

std::optional<uint64_t> thread_allocations() { return allocations; }

extern "C" {

// NOLINTBEGIN: names and signatures are given by the linker and the C++ ABI.
void* __real__Znwm(size_t bytes);
void* __real__Znam(size_t bytes);
void* __real__ZnwmSt11align_val_t(size_t bytes, std::align_val_t alignment);
void* __real_malloc(size_t bytes);
void* __real_aligned_alloc(size_t alignment, size_t bytes);

void* __wrap__Znwm(size_t bytes) {
  ++allocations;
  return __real__Znwm(bytes);
}
void* __wrap__Znam(size_t bytes) {
  ++allocations;
  return __real__Znam(bytes);
}
void* __wrap__ZnwmSt11align_val_t(size_t bytes, std::align_val_t alignment) {
  ++allocations;
  return __real__ZnwmSt11align_val_t(bytes, alignment);
}
void* __wrap_malloc(size_t bytes) {
  ++allocations;
  return __real_malloc(bytes);
}
void* __wrap_aligned_alloc(size_t alignment, size_t bytes) {
  ++allocations;
  return __real_aligned_alloc(alignment, bytes);
}
// NOLINTEND

}  // extern "C"

#else

std::optional<uint64_t> thread_allocations() { return std::nullopt; }

#endif

}  // namespace prerank::addon
