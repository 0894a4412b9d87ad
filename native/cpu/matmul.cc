#include "cpu/matmul.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <utility>

#include "cpu/onednn.h"

namespace prerank::cpu {
namespace {

#define PRERANK_DNNL(call, layer) PRERANK_RETURN_IF_ERROR(onednn_status((call), #call, (layer)))

// oneDNN plans for the OpenMP threads of the thread that builds: one, as when it runs.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

Status describe(dnnl_memory_desc_t& desc, size_t rows, size_t columns, size_t row, size_t column,
                const std::string& layer) {
  const std::array<dnnl_dim_t, 2> dims = {static_cast<dnnl_dim_t>(rows), static_cast<dnnl_dim_t>(columns)};
  const std::array<dnnl_dim_t, 2> strides = {static_cast<dnnl_dim_t>(row), static_cast<dnnl_dim_t>(column)};
  PRERANK_DNNL(dnnl_memory_desc_init_by_strides(&desc, 2, dims.data(), dnnl_f32, strides.data()), layer);
  return {};
}

dnnl_alg_kind_t algorithm(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return dnnl_eltwise_relu;
    case Activation::kSigmoid:
      return dnnl_eltwise_logistic;
    case Activation::kTanh:
      return dnnl_eltwise_tanh;
    case Activation::kNone:
      break;
  }
  return dnnl_alg_kind_undef;
}

}  // namespace

Result<Matmul> Matmul::create(const MatmulShape& shape, size_t workers, const std::string& layer) {
  prepare_onednn();
  const OneThread one_thread;
  Matmul matmul;
  matmul.shape_ = shape;
  PRERANK_RETURN_IF_ERROR(matmul.build_primitive(layer));
  matmul.workers_.reserve(workers);
  for (size_t i = 0; i < workers; ++i) {
    PRERANK_ASSIGN_OR_RETURN(Worker worker, matmul.build_worker(layer));
    matmul.workers_.push_back(std::move(worker));
  }
  return matmul;
}

Status Matmul::build_primitive(const std::string& layer) {
  const MatmulShape& s = shape_;
  dnnl_engine_t engine = nullptr;
  PRERANK_DNNL(dnnl_engine_create(&engine, dnnl_cpu, 0), layer);
  engine_.reset(engine);
  PRERANK_RETURN_IF_ERROR(describe(a_, s.m, s.k, s.a_row, s.a_column, layer));
  PRERANK_RETURN_IF_ERROR(describe(b_, s.k, s.n, s.b_row, s.b_column, layer));
  PRERANK_RETURN_IF_ERROR(describe(c_, s.m, s.n, s.c_row, 1, layer));
  if (s.bias) PRERANK_RETURN_IF_ERROR(describe(bias_, 1, s.n, s.n, 1, layer));
  dnnl_matmul_desc_t desc = {};
  PRERANK_DNNL(dnnl_matmul_desc_init(&desc, &a_, &b_, s.bias ? &bias_ : nullptr, &c_), layer);

  dnnl_primitive_attr_t raw_attributes = nullptr;
  PRERANK_DNNL(dnnl_primitive_attr_create(&raw_attributes), layer);
  const DnnlHandle<dnnl_primitive_attr_t, dnnl_primitive_attr_destroy> attributes(raw_attributes);
  PRERANK_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attributes.get(), dnnl_scratchpad_mode_user), layer);
  dnnl_post_ops_t raw_operations = nullptr;
  PRERANK_DNNL(dnnl_post_ops_create(&raw_operations), layer);
  const DnnlHandle<dnnl_post_ops_t, dnnl_post_ops_destroy> operations(raw_operations);
  if (s.accumulate) PRERANK_DNNL(dnnl_post_ops_append_sum(operations.get(), 1.0f), layer);
  if (s.activation != Activation::kNone) {
    PRERANK_DNNL(dnnl_post_ops_append_eltwise(operations.get(), 1.0f, algorithm(s.activation), 0.0f, 0.0f), layer);
  }
  PRERANK_DNNL(dnnl_primitive_attr_set_post_ops(attributes.get(), operations.get()), layer);

  dnnl_primitive_desc_t raw_primitive_desc = nullptr;
  PRERANK_DNNL(dnnl_primitive_desc_create(&raw_primitive_desc, &desc, attributes.get(), engine_.get(), nullptr), layer);
  const DnnlHandle<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy> primitive_desc(raw_primitive_desc);
  scratchpad_ = *dnnl_primitive_desc_query_md(primitive_desc.get(), dnnl_query_scratchpad_md, 0);
  dnnl_primitive_t primitive = nullptr;
  PRERANK_DNNL(dnnl_primitive_create(&primitive, primitive_desc.get()), layer);
  primitive_.reset(primitive);
  return {};
}

Result<Matmul::Worker> Matmul::build_worker(const std::string& layer) const {
  Worker worker;
  dnnl_stream_t stream = nullptr;
  PRERANK_DNNL(dnnl_stream_create(&stream, engine_.get(), dnnl_stream_default_flags), layer);
  worker.stream.reset(stream);
  PRERANK_ASSIGN_OR_RETURN(worker.scratch, AlignedBuffer::allocate(dnnl_memory_desc_get_size(&scratchpad_)));
  const auto make = [&](Memory& memory, const dnnl_memory_desc_t& desc, void* data) -> Status {
    dnnl_memory_t raw = nullptr;
    PRERANK_DNNL(dnnl_memory_create(&raw, &desc, engine_.get(), data), layer);
    memory.reset(raw);
    return {};
  };
  PRERANK_RETURN_IF_ERROR(make(worker.a, a_, DNNL_MEMORY_NONE));
  PRERANK_RETURN_IF_ERROR(make(worker.b, b_, DNNL_MEMORY_NONE));
  PRERANK_RETURN_IF_ERROR(make(worker.c, c_, DNNL_MEMORY_NONE));
  if (shape_.bias) PRERANK_RETURN_IF_ERROR(make(worker.bias, bias_, DNNL_MEMORY_NONE));
  PRERANK_RETURN_IF_ERROR(make(worker.scratchpad, scratchpad_, worker.scratch.data()));
  return worker;
}

void Matmul::run(size_t worker_index, const float* a, const float* b, const float* bias, float* c) const {
  prepare_worker_thread();
  const Worker& worker = workers_[worker_index];
  // oneDNN takes addresses to mutable memory also for what it only reads.
  bool ok = dnnl_memory_set_data_handle(worker.a.get(), const_cast<float*>(a)) == dnnl_success;
  ok = ok && dnnl_memory_set_data_handle(worker.b.get(), const_cast<float*>(b)) == dnnl_success;
  ok = ok && dnnl_memory_set_data_handle(worker.c.get(), c) == dnnl_success;
  std::array<dnnl_exec_arg_t, 5> arguments = {{{DNNL_ARG_SRC, worker.a.get()},
                                               {DNNL_ARG_WEIGHTS, worker.b.get()},
                                               {DNNL_ARG_DST, worker.c.get()},
                                               {DNNL_ARG_SCRATCHPAD, worker.scratchpad.get()},
                                               {DNNL_ARG_BIAS, worker.bias.get()}}};
  if (shape_.bias) ok = ok && dnnl_memory_set_data_handle(worker.bias.get(), const_cast<float*>(bias)) == dnnl_success;
  ok = ok && dnnl_primitive_execute(primitive_.get(), worker.stream.get(), shape_.bias ? 5 : 4, arguments.data()) ==
                 dnnl_success;
  if (ok) return;
  for (size_t r = 0; r < shape_.m; ++r) {
    std::fill_n(c + r * shape_.c_row, shape_.n, std::numeric_limits<float>::quiet_NaN());
  }
}

std::vector<size_t> matmul_pieces(std::span<const size_t> pieces) {
  constexpr size_t kSmallest = 16;
  std::vector<size_t> sizes;
  for (const size_t piece : pieces) {
    if (piece >= kSmallest) sizes.push_back(piece);
  }
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

}  // namespace prerank::cpu
