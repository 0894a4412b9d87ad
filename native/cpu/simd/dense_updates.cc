#include "cpu/simd/functions.h"
#include "cpu/simd/update_math.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

void dense_sgd(size_t n, const UpdateConstants& c, float* w, const float* g) {
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    const vf x = load_part(w + i, lanes);
    store_part(w + i, lanes, x - c.lr * regularised(c, load_part(g + i, lanes), x));
  }
}

void dense_momentum(size_t n, const UpdateConstants& c, float* w, const float* g, float* buffer) {
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    const vf x = load_part(w + i, lanes);
    const vf b = c.momentum * load_part(buffer + i, lanes) + regularised(c, load_part(g + i, lanes), x);
    store_part(buffer + i, lanes, b);
    store_part(w + i, lanes, x - c.lr * b);
  }
}

void dense_adagrad(size_t n, const UpdateConstants& c, float* w, const float* g, float* sum) {
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    vf x = load_part(w + i, lanes), s = load_part(sum + i, lanes);
    adagrad(c, regularised(c, load_part(g + i, lanes), x), x, s);
    store_part(sum + i, lanes, s);
    store_part(w + i, lanes, x);
  }
}

void dense_adam(size_t n, const UpdateConstants& c, float* w, const float* g, float* m, float* v) {
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    vf x = load_part(w + i, lanes), m1 = load_part(m + i, lanes), v1 = load_part(v + i, lanes);
    adam(c, regularised(c, load_part(g + i, lanes), x), x, m1, v1);
    store_part(m + i, lanes, m1);
    store_part(v + i, lanes, v1);
    store_part(w + i, lanes, x);
  }
}

}  // namespace

void add_dense_updates(SimdTable& table) {
  table.dense_sgd = dense_sgd;
  table.dense_momentum = dense_momentum;
  table.dense_adagrad = dense_adagrad;
  table.dense_adam = dense_adam;
}

}  // namespace prerank::cpu::PRERANK_ISA
