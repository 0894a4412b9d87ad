#include "cuda/step_graphs.h"

#include <utility>

namespace prerank::cuda {

Status StepGraphs::keep(const Key& key, cudaStream_t stream, const Status& enqueued) {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  PRERANK_RETURN_IF_ERROR(enqueued);
  PRERANK_RETURN_IF_ERROR(status_of(ended, "cudaStreamEndCapture"));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  PRERANK_RETURN_IF_ERROR(status_of(made, "cudaGraphInstantiate"));
  if (captured_.size() == kKept) captured_.erase(captured_.begin());
  captured_.push_back({key, GraphExec(executable)});
  return replay(captured_.back(), stream);
}

Status StepGraphs::replay(const Captured& captured, cudaStream_t stream) {
  PRERANK_CUDA(cudaGraphLaunch(captured.graph.get(), stream));
  return {};
}

}  // namespace prerank::cuda
