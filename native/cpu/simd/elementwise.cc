// Functions of one element: maps, their gradients, arithmetic of two operands.
#include "cpu/simd/functions.h"
#include "cpu/simd/math.h"

namespace prerank::cpu::PRERANK_ISA {
namespace {

struct Relu {
  static vf f(vf x) { return x != x ? x : vmax(x, vf{}); }
  static vf df(vf dy, vf y) { return y > 0.0f ? dy : vf{}; }
};
struct Sigmoid {
  static vf f(vf x) { return vsigmoid(x); }
  static vf df(vf dy, vf y) { return dy * (y * (1.0f - y)); }
};
struct Tanh {
  static vf f(vf x) { return vtanh(x); }
  static vf df(vf dy, vf y) { return dy * (1.0f - y * y); }
};
struct Exp {
  static vf f(vf x) { return vexp(x); }
  static vf df(vf dy, vf y) { return dy * y; }
};
struct Log {
  static vf f(vf x) { return vlog(x); }
  static vf df(vf dy, vf x) { return dy / x; }
};
struct Softplus {
  static vf f(vf x) { return vsoftplus(x); }
  static vf df(vf dy, vf x) { return dy * vsigmoid(x); }
};
struct Square {
  static vf f(vf x) { return x * x; }
  static vf df(vf dy, vf x) { return dy * (x + x); }
};
struct Sqrt {
  static vf f(vf x) { return vsqrt(x); }
  static vf df(vf dy, vf y) { return dy * (0.5f / y); }
};
struct Abs {
  static vf f(vf x) { return vabs(x); }
  static vf df(vf dy, vf x) { return x > 0.0f ? dy : (x < 0.0f ? -dy : vf{}); }
};
struct Neg {
  static vf f(vf x) { return -x; }
};

template <class F>
void map(size_t rows, size_t width, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) store(y + c, F::f(load(x + c)));
    if (c < width) store_tail(y + c, width - c, F::f(load_tail(x + c, width - c)));
  }
}

template <class F>
void map_grad(size_t rows, size_t width, const float* dy, size_t dys, const float* v, size_t vs, float* dx,
              size_t dxs) {
  for (size_t r = 0; r < rows; ++r, dy += dys, v += vs, dx += dxs) {
    size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) store(dx + c, F::df(load(dy + c), load(v + c)));
    if (c < width) {
      const size_t n = width - c;
      store_tail(dx + c, n, F::df(load_tail(dy + c, n), load_tail(v + c, n)));
    }
  }
}

struct Add {
  static vf f(vf a, vf b) { return a + b; }
};
struct Sub {
  static vf f(vf a, vf b) { return a - b; }
};
struct Mul {
  static vf f(vf a, vf b) { return a * b; }
};
struct Div {
  static vf f(vf a, vf b) { return a / b; }
};

template <class F, bool kScalarA, bool kScalarB>
void binary_rows(size_t rows, size_t width, const float* a, size_t as, const float* b, size_t bs, float* c, size_t cs) {
  for (size_t r = 0; r < rows; ++r, a += as, b += bs, c += cs) {
    const vf a0 = splat(*a), b0 = splat(*b);
    size_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      store(c + i, F::f(kScalarA ? a0 : load(a + i), kScalarB ? b0 : load(b + i)));
    }
    if (i < width) {
      const size_t n = width - i;
      store_tail(c + i, n, F::f(kScalarA ? a0 : load_tail(a + i, n), kScalarB ? b0 : load_tail(b + i, n)));
    }
  }
}

template <class F>
void binary(size_t rows, size_t width, Operand a, Operand b, float* c, size_t cs) {
  if (a.step == 0 && b.step == 0) {
    binary_rows<F, true, true>(rows, width, a.data, a.stride, b.data, b.stride, c, cs);
  } else if (a.step == 0) {
    binary_rows<F, true, false>(rows, width, a.data, a.stride, b.data, b.stride, c, cs);
  } else if (b.step == 0) {
    binary_rows<F, false, true>(rows, width, a.data, a.stride, b.data, b.stride, c, cs);
  } else {
    binary_rows<F, false, false>(rows, width, a.data, a.stride, b.data, b.stride, c, cs);
  }
}

void affine(size_t rows, size_t width, float scale, float shift, const float* x, size_t xs, float* y, size_t ys) {
  for (size_t r = 0; r < rows; ++r, x += xs, y += ys) {
    size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) store(y + c, scale * load(x + c) + shift);
    if (c < width) store_tail(y + c, width - c, scale * load_tail(x + c, width - c) + shift);
  }
}

template <class F>
void add_map(SimdTable& table, MapFunction function) {
  table.map[function] = map<F>;
  table.map_grad[function] = map_grad<F>;
}

}  // namespace

void add_elementwise(SimdTable& table) {
  add_map<Relu>(table, kRelu);
  add_map<Sigmoid>(table, kSigmoid);
  add_map<Tanh>(table, kTanh);
  add_map<Exp>(table, kExp);
  add_map<Log>(table, kLog);
  add_map<Softplus>(table, kSoftplus);
  add_map<Square>(table, kSquare);
  add_map<Sqrt>(table, kSqrt);
  add_map<Abs>(table, kAbs);
  table.map[kNeg] = map<Neg>;
  table.binary[kAdd] = binary<Add>;
  table.binary[kSub] = binary<Sub>;
  table.binary[kMul] = binary<Mul>;
  table.binary[kDiv] = binary<Div>;
  table.affine = affine;
}

}  // namespace prerank::cpu::PRERANK_ISA
