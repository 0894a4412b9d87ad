// Functions of one element and their derivatives, for host and device.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

namespace prerank::cuda {

__host__ __device__ inline float sigmoid(float x) {
  // exp of a negative number only: neither side overflows.
  const float e = expf(-fabsf(x));
  return x >= 0 ? 1.0f / (1.0f + e) : e / (1.0f + e);
}

struct Relu {
  // NaN stays NaN.
  __host__ __device__ float operator()(float x) const { return x < 0.0f ? 0.0f : x; }
};
struct ReluGrad {
  __host__ __device__ float operator()(float dy, float y) const { return y > 0.0f ? dy : 0.0f; }
};
struct Sigmoid {
  __host__ __device__ float operator()(float x) const { return sigmoid(x); }
};
struct SigmoidGrad {
  __host__ __device__ float operator()(float dy, float y) const { return dy * (y * (1.0f - y)); }
};
struct Tanh {
  __host__ __device__ float operator()(float x) const { return tanhf(x); }
};
struct TanhGrad {
  __host__ __device__ float operator()(float dy, float y) const { return dy * (1.0f - y * y); }
};

struct Exp {
  __host__ __device__ float operator()(float x) const { return expf(x); }
};
struct ExpGrad {
  __host__ __device__ float operator()(float dy, float y) const { return dy * y; }
};
struct Log {
  __host__ __device__ float operator()(float x) const { return logf(x); }
};
struct LogGrad {
  __host__ __device__ float operator()(float dy, float x) const { return dy / x; }
};
struct Softplus {
  // NaN stays NaN.
  __host__ __device__ float operator()(float x) const { return (x < 0.0f ? 0.0f : x) + log1pf(expf(-fabsf(x))); }
};
struct SoftplusGrad {
  __host__ __device__ float operator()(float dy, float x) const { return dy * sigmoid(x); }
};
struct Square {
  __host__ __device__ float operator()(float x) const { return x * x; }
};
struct SquareGrad {
  __host__ __device__ float operator()(float dy, float x) const { return dy * (x + x); }
};
struct Sqrt {
  __host__ __device__ float operator()(float x) const { return sqrtf(x); }
};
struct SqrtGrad {
  __host__ __device__ float operator()(float dy, float y) const { return dy * (0.5f / y); }
};
struct Abs {
  __host__ __device__ float operator()(float x) const { return fabsf(x); }
};
struct AbsGrad {
  __host__ __device__ float operator()(float dy, float x) const { return x > 0.0f ? dy : x < 0.0f ? -dy : 0.0f; }
};
struct Neg {
  __host__ __device__ float operator()(float x) const { return -x; }
};

// Arithmetic of two operands.
struct Add {
  __host__ __device__ float operator()(float a, float b) const { return a + b; }
};
struct Sub {
  __host__ __device__ float operator()(float a, float b) const { return a - b; }
};
struct Mul {
  __host__ __device__ float operator()(float a, float b) const { return a * b; }
};
struct Div {
  __host__ __device__ float operator()(float a, float b) const { return a / b; }
};

struct Same {
  __host__ __device__ float operator()(float x) const { return x; }
};

}  // namespace prerank::cuda
