// OpHarness in prerank_tests: the CPU's kernels.
#include "kernel_harness.h"

namespace prerank::test {

void for_each_target(const std::function<void()>& body) { for_each_isa(body); }

void OpHarness::run(size_t tile_rows) { run_on_cpu(tile_rows); }

Status OpHarness::build_status() { return build().status(); }

}  // namespace prerank::test
