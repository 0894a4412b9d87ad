#include "cuda/step_graphs.h"

#include <utility>

namespace prerank::cuda {

Status StepGraphs::keep(const Key& key, cudaStream_t stream, const Status& enqueued) {
  cudaGraph_t recorded = nullptr;
  const Status ended = status_of(cudaStreamEndCapture(stream, &recorded), "cudaStreamEndCapture");
  const Owned<cudaGraph_t, cudaGraphDestroy> graph(recorded);
  PRERANK_RETURN_IF_ERROR(enqueued);
  PRERANK_RETURN_IF_ERROR(ended);
  cudaGraphExec_t executable = nullptr;
  PRERANK_CUDA(cudaGraphInstantiate(&executable, graph.get(), 0));
  if (captured_.size() == kKept) captured_.erase(captured_.begin());
  captured_.push_back({key, GraphExec(executable)});
  return replay(captured_.back(), stream);
}

Status StepGraphs::replay(const Captured& captured, cudaStream_t stream) {
  PRERANK_CUDA(cudaGraphLaunch(captured.graph.get(), stream));
  return {};
}

}  // namespace prerank::cuda
