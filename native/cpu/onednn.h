// oneDNN as a library of this process: its instruction-set cap and its OpenMP threads.
#pragma once

#include <string>

#include "prerank/status.h"

namespace prerank::cpu {

// Holds oneDNN to one OpenMP thread on the calling thread. Each worker thread calls it once when it starts, so that
// workers do not open OpenMP teams of their own. Kernels call it too where it was forgotten.
void prepare_worker_thread();

// Caps oneDNN's instruction set at dispatch.h's isa(); the first call does it, later ones do nothing.
void prepare_onednn();

// A dnnl_status_t as a Status: `what` failed in `layer`.
Status onednn_status(int status, const char* what, const std::string& layer);

}  // namespace prerank::cpu
