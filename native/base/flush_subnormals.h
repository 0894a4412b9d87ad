// Arithmetic without subnormal numbers.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace prerank {

// While it lives, the calling thread's vector arithmetic takes subnormal operands for 0 and gives 0 for subnormal
// results. Gradients and moments that decay towards 0 end there, and processors take up to a hundred times as long for
// subnormal numbers.
class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kSubnormalsAreZero); }
  ~FlushSubnormals() { _mm_setcsr(before_); }
#else
  FlushSubnormals() = default;
#endif
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

#if defined(__x86_64__)
 private:
  static constexpr unsigned kFlushToZero = 0x8000;
  static constexpr unsigned kSubnormalsAreZero = 0x0040;
  unsigned before_;
#endif
};

}  // namespace prerank
