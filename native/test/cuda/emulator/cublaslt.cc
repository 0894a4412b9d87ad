// Matrix products in cuBLASLt's terms: column-major, D = alpha op(A) op(B) + beta C with an epilogue. An algorithm remembers
// the alignments that were promised for it, and a product with others is refused. There are kAlgorithms of them, which
// round their sums differently; PRERANK_EMULATED_FASTEST=N makes all but the Nth (from 0) slow.
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "cublasLt.h"
#include "emulator.h"

struct cublasLtContext {};
struct cublasLtMatrixLayoutOpaque_t {
  size_t rows = 0, columns = 0, ld = 0;
};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t trans_a = CUBLAS_OP_N, trans_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  float* bias = nullptr;  // written where the epilogue has kBiasGradient
  uint8_t* aux = nullptr;
  int64_t aux_ld = 0;  // bits
};
struct cublasLtMatmulPreferenceOpaque_t {
  uint32_t alignment[4] = {256, 256, 256, 256};
};

namespace {

using Layout = cublasLtMatrixLayoutOpaque_t;

// Bits of cublasLtEpilogue_t.
constexpr int kRelu = 2, kBias = 4, kReluGradient = 8, kBiasGradient = 16, kAux = 128;
constexpr int64_t kAuxStep = 128;       // bits
constexpr uint64_t kAuxAlignment = 16;  // bytes, of the mask and of the result beside it
constexpr uint64_t kAlgorithms = 3;
constexpr size_t kAlgorithmWord = 4;  // after the four alignments
constexpr double kSlowMilliseconds = 60000;

struct Problem {
  cublasLtMatmulDescOpaque_t desc;
  float alpha = 1, beta = 0;
  const float *a = nullptr, *b = nullptr, *c = nullptr;
  float* d = nullptr;
  Layout a_layout, b_layout, c_layout, d_layout;
  uint64_t algorithm = 0;
};

size_t depth(const cublasLtMatmulDescOpaque_t& desc, const Layout& a) {
  return desc.trans_a == CUBLAS_OP_N ? a.columns : a.rows;
}

// What tensor cores keep of an operand.
float narrowed(float x, cublasComputeType_t compute) {
  if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) return __uint_as_float(prerank::emulator::to_tf32(x));
  if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) {
    return __uint_as_float(prerank::emulator::to_bfloat16_pair(x, 0) << 16);
  }
  return x;
}

// The epilogue of element (i, j). A mask has a bit for each, by columns of aux_ld bits: 0 where a ReLU lets nothing pass.
float finished(const Problem& p, float value, size_t i, size_t j) {
  const int epilogue = p.desc.epilogue;
  uint8_t* const byte = p.desc.aux == nullptr ? nullptr : p.desc.aux + (j * static_cast<size_t>(p.desc.aux_ld) + i) / 8;
  const auto bit = static_cast<uint8_t>(1u << (i % 8));
  if (epilogue & kReluGradient) return (*byte & bit) != 0 ? value : 0.0f;
  if (epilogue & kBias) value += p.desc.bias[i];
  if (!(epilogue & kRelu)) return value;
  if (epilogue & kAux) *byte = static_cast<uint8_t>(value > 0 ? *byte | bit : *byte & ~bit);
  return value < 0 ? 0.0f : value;
}

void multiply(const Problem& p) {
  const size_t m = p.d_layout.rows, n = p.d_layout.columns;
  const size_t k = depth(p.desc, p.a_layout);
  std::vector<float> a(k * m);  // [k, m]
  for (size_t l = 0; l < k; ++l) {
    for (size_t i = 0; i < m; ++i) {
      const float x = p.desc.trans_a == CUBLAS_OP_N ? p.a[i + l * p.a_layout.ld] : p.a[l + i * p.a_layout.ld];
      a[l * m + i] = narrowed(x, p.desc.compute);
    }
  }
  std::vector<double> sums(m);
  for (size_t j = 0; j < n; ++j) {
    sums.assign(m, 0);
    for (size_t l = 0; l < k; ++l) {
      const float x = p.desc.trans_b == CUBLAS_OP_N ? p.b[l + j * p.b_layout.ld] : p.b[j + l * p.b_layout.ld];
      const double factor = static_cast<double>(narrowed(x, p.desc.compute));
      for (size_t i = 0; i < m; ++i) sums[i] += static_cast<double>(a[l * m + i]) * factor;
      // The first algorithm rounds once, the others after every, or every second, addition.
      if (p.algorithm == 0 || l % p.algorithm != 0) continue;
      for (double& sum : sums) sum = static_cast<double>(static_cast<float>(sum));
    }
    for (size_t i = 0; i < m; ++i) {
      float value = p.alpha * static_cast<float>(sums[i]);
      if (p.beta != 0) value += p.beta * p.c[i + j * p.c_layout.ld];
      p.d[i + j * p.d_layout.ld] = finished(p, value, i, j);
    }
  }
  if (!(p.desc.epilogue & kBiasGradient)) return;
  for (size_t i = 0; i < m; ++i) {
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += static_cast<double>(p.d[i + j * p.d_layout.ld]);
    p.desc.bias[i] = static_cast<float>(sum);
  }
}

bool shapes_fit(const Problem& p) {
  const bool flip_a = p.desc.trans_a == CUBLAS_OP_T, flip_b = p.desc.trans_b == CUBLAS_OP_T;
  const size_t m = flip_a ? p.a_layout.columns : p.a_layout.rows, k = flip_a ? p.a_layout.rows : p.a_layout.columns;
  const size_t kb = flip_b ? p.b_layout.columns : p.b_layout.rows, n = flip_b ? p.b_layout.rows : p.b_layout.columns;
  return k == kb && m == p.d_layout.rows && n == p.d_layout.columns && m == p.c_layout.rows && n == p.c_layout.columns;
}

bool aligned(const void* pointer, uint64_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; }

// A mask has a leading dimension of a multiple of 128 bits that is no less than the result's rows.
bool aux_fits(const cublasLtMatmulDescOpaque_t& desc, const Layout& d) {
  if (!(desc.epilogue & kAux)) return true;
  return desc.aux != nullptr && aligned(desc.aux, kAuxAlignment) && desc.aux_ld % kAuxStep == 0 &&
         desc.aux_ld >= static_cast<int64_t>(d.rows) && (!(desc.epilogue & kBiasGradient) || desc.bias != nullptr);
}

// Gradients of a ReLU need sums of more than one term; here, masks need aligned results, too.
bool has_algorithm(const cublasLtMatmulDescOpaque_t& desc, const Layout& a, uint32_t alignment_of_d) {
  if (!(desc.epilogue & kAux)) return true;
  if ((desc.epilogue & kReluGradient) && depth(desc, a) == 1) return false;
  return alignment_of_d >= kAuxAlignment;
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return CUBLAS_VER_MAJOR * 10000; }
const char* cublasLtGetStatusName(cublasStatus_t status) {
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return "CUBLAS_STATUS_NOT_SUPPORTED";
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_INVALID_VALUE";
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType, uint64_t rows, uint64_t cols,
                                          int64_t ld) {
  if (rows == 0 || cols == 0 || ld < static_cast<int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  *layout = new Layout{rows, cols, static_cast<size_t>(ld)};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t) {
  *desc = new cublasLtMatmulDescOpaque_t{.compute = compute};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  delete desc;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  void* field = nullptr;
  size_t size = 4;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: field = &desc->trans_a; break;
    case CUBLASLT_MATMUL_DESC_TRANSB: field = &desc->trans_b; break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE: field = &desc->epilogue; break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: field = &desc->bias, size = sizeof(void*); break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: field = &desc->aux, size = sizeof(void*); break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: field = &desc->aux_ld, size = sizeof(int64_t); break;
  }
  if (field == nullptr || bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(field, value, size);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    return bytes == 8 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  }
  if (bytes != 4) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, 4);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t* results, int* returned) {
  *returned = 0;
  if (requested < 1 || !aux_fits(*desc, *d)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!has_algorithm(*desc, *a, preference->alignment[3])) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (uint64_t algorithm = 0; algorithm < kAlgorithms && *returned < requested; ++algorithm, ++*returned) {
    cublasLtMatmulHeuristicResult_t& result = results[*returned];
    result = {};
    for (size_t i = 0; i < 4; ++i) result.algo.data[i] = preference->alignment[i];
    result.algo.data[kAlgorithmWord] = algorithm;
  }
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
  *result = {.algo = *algo};
  bool known = algo->data[kAlgorithmWord] < kAlgorithms;
  for (size_t i = 0; i < 4; ++i) known = known && algo->data[i] > 0;
  return known ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo, void*, size_t,
                              cudaStream_t stream) {
  const Problem problem = {*desc,
                           *static_cast<const float*>(alpha),
                           *static_cast<const float*>(beta),
                           static_cast<const float*>(a),
                           static_cast<const float*>(b),
                           static_cast<const float*>(c),
                           static_cast<float*>(d),
                           *a_layout,
                           *b_layout,
                           *c_layout,
                           *d_layout,
                           algo->data[kAlgorithmWord]};
  if (!shapes_fit(problem) || !aux_fits(*desc, *d_layout)) return CUBLAS_STATUS_INVALID_VALUE;
  const void* const pointers[] = {a, b, c, d};
  for (size_t i = 0; i < 4; ++i) {
    if (!aligned(pointers[i], algo->data[i])) return CUBLAS_STATUS_INVALID_VALUE;
  }
  const int queued = prerank::emulator::enqueue(stream, [problem] {
    multiply(problem);
    const char* const fastest = std::getenv("PRERANK_EMULATED_FASTEST");
    if (fastest != nullptr && std::to_string(problem.algorithm) != fastest) prerank::emulator::spend(kSlowMilliseconds);
  });
  return queued == 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}
