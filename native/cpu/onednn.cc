#include "cpu/onednn.h"

#include <dnnl.h>
#include <omp.h>

#include <mutex>
#include <string>

#include "cpu/dispatch.h"

namespace prerank::cpu {

void prepare_worker_thread() {
  thread_local bool prepared = false;
  if (prepared) return;
  omp_set_num_threads(1);
  prepared = true;
}

void prepare_onednn() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Refused only when something else in this process has used oneDNN before; then its own choice stands.
    switch (isa()) {
      case Isa::kBaseline:
        dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
        break;
      case Isa::kAvx2:
        dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
        break;
      case Isa::kAvx512:
        break;
    }
  });
}

Status onednn_status(int status, const char* what, const std::string& layer) {
  switch (status) {
    case dnnl_success:
      return {};
    case dnnl_out_of_memory:
      return {Code::kOutOfMemory, layer + ": out of memory in oneDNN: " + what};
    case dnnl_unimplemented:
      return {Code::kUnsupported, layer + ": oneDNN has no implementation: " + what};
    default:
      return {Code::kInternal, layer + ": oneDNN failed with status " + std::to_string(status) + ": " + what};
  }
}

}  // namespace prerank::cpu
