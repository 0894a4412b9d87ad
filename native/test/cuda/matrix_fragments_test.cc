// Products of small matrices on tensor cores, from where PTX's documentation says that their elements are.
#include "cuda/matrix_fragments.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "cuda/device.h"
#include "kernel_harness.h"

namespace prerank::test {
namespace {

constexpr size_t kRows = 16, kColumns = 8;

float bfloat16_value(uint32_t bits) { return std::bit_cast<float>(bits << 16); }

// To so many bits of mantissa, ties away from 0.
float nearest(float x, int bits) {
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(x), &exponent);
  return static_cast<float>(std::ldexp(std::round(std::ldexp(mantissa, bits + 1)), exponent - bits - 1));
}

// One warp: C += A B, A [16, 8], B [8, 8].
__global__ void multiply_one_tf32(const float* a, const float* b, float* c) {
  const unsigned int group = threadIdx.x >> 2, member = threadIdx.x % 4;
  uint32_t of_a[4], of_b[2];
  float of_c[4];
  for (unsigned int i = 0; i < 4; ++i) {
    const unsigned int row = i == 0 || i == 2 ? group : group + 8, column = i < 2 ? member : member + 4;
    of_a[i] = cuda::to_tf32(a[row * 8 + column]);
  }
  for (unsigned int i = 0; i < 2; ++i) of_b[i] = cuda::to_tf32(b[(i == 0 ? member : member + 4) * kColumns + group]);
  for (unsigned int i = 0; i < 4; ++i) {
    of_c[i] = c[(i < 2 ? group : group + 8) * kColumns + member * 2 + (i & 1)];
  }
  cuda::multiply_tf32(of_c, of_a, of_b);
  for (unsigned int i = 0; i < 4; ++i) {
    c[(i < 2 ? group : group + 8) * kColumns + member * 2 + (i & 1)] = of_c[i];
  }
}

// The same with A [16, 16] and B [16, 8] in bfloat16: registers hold two elements each.
__global__ void multiply_one_bfloat16(const float* a, const float* b, float* c) {
  const unsigned int group = threadIdx.x >> 2, member = threadIdx.x % 4;
  float of_a[8], of_b[4], of_c[4];
  for (unsigned int i = 0; i < 8; ++i) {
    const unsigned int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
    const unsigned int column = i < 4 ? member * 2 + (i & 1) : member * 2 + (i & 1) + 8;
    of_a[i] = a[row * 16 + column];
  }
  for (unsigned int i = 0; i < 4; ++i) {
    const unsigned int row = i < 2 ? member * 2 + (i & 1) : member * 2 + (i & 1) + 8;
    of_b[i] = b[row * kColumns + group];
  }
  uint32_t pairs_of_a[4], pairs_of_b[2];
  for (unsigned int i = 0; i < 4; ++i) pairs_of_a[i] = cuda::to_bfloat16_pair(of_a[2 * i], of_a[2 * i + 1]);
  for (unsigned int i = 0; i < 2; ++i) pairs_of_b[i] = cuda::to_bfloat16_pair(of_b[2 * i], of_b[2 * i + 1]);
  for (unsigned int i = 0; i < 4; ++i) {
    of_c[i] = c[(i < 2 ? group : group + 8) * kColumns + member * 2 + (i & 1)];
  }
  cuda::multiply_bfloat16(of_c, pairs_of_a, pairs_of_b);
  for (unsigned int i = 0; i < 4; ++i) {
    c[(i < 2 ? group : group + 8) * kColumns + member * 2 + (i & 1)] = of_c[i];
  }
}

// C += A B with A [16, 16], B [16, 8]: a member's four of the 16 terms are every fourth, from its own number on.
template <MatmulPrecision kPrecision>
__global__ void multiply_one_product(const float* a, const float* b, float* c) {
  const unsigned int group = threadIdx.x / 4, member = threadIdx.x % 4;
  cuda::Pack<4> upper, lower, columns;
  cuda::FragmentSums sums;
  for (unsigned int q = 0; q < 4; ++q) {
    const unsigned int k = member + 4 * q;
    upper.v[q] = a[group * 16 + k];
    lower.v[q] = a[(group + 8) * 16 + k];
    columns.v[q] = b[k * kColumns + group];
    sums.of[q] = c[(group + q / 2 * 8) * kColumns + member * 2 + q % 2];
  }
  cuda::add_product(sums, cuda::rounded<kPrecision>(upper), cuda::rounded<kPrecision>(lower),
                    cuda::rounded<kPrecision>(columns));
  for (unsigned int q = 0; q < 4; ++q) c[(group + q / 2 * 8) * kColumns + member * 2 + q % 2] = sums.of[q];
}

// Operands of few bits, which rounding leaves as they are and whose sums are exact.
void expect_product(size_t depth, void (*kernel)(const float*, const float*, float*)) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    std::vector<float> a = random_floats(kRows * depth, seed, -64, 64);
    std::vector<float> b = random_floats(depth * kColumns, seed + 4, -64, 64);
    std::vector<float> c = random_floats(kRows * kColumns, seed + 8, -64, 64);
    for (std::vector<float>* each : {&a, &b, &c}) {
      for (float& x : *each) x = std::round(x);
    }
    std::vector<float> want = c;
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t j = 0; j < kColumns; ++j) {
        for (size_t k = 0; k < depth; ++k) want[i * kColumns + j] += a[i * depth + k] * b[k * kColumns + j];
      }
    }
    auto stream = cuda::make_stream();
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(cuda::launch(stream.value().get(), 1, 32, kernel, a.data(), b.data(), c.data()).ok());
    ASSERT_EQ(cudaStreamSynchronize(stream.value().get()), cudaSuccess);
    EXPECT_EQ(c, want);
  }
}

TEST(MatrixFragments, ElementsLieAsPtxSays) {
  expect_product(8, multiply_one_tf32);
  expect_product(16, multiply_one_bfloat16);
}

TEST(MatrixFragments, TermsAreTheSameForBothOperands) {
  expect_product(16, multiply_one_product<MatmulPrecision::kTf32>);
  expect_product(16, multiply_one_product<MatmulPrecision::kBfloat16>);
}

TEST(MatrixFragments, OperandsAreRoundedToTheNearest) {
  for (const float x : random_floats(1000, 1, -1e3f, 1e3f)) {
    EXPECT_EQ(std::bit_cast<float>(cuda::to_tf32(x)), nearest(x, 10)) << x;
    EXPECT_EQ(bfloat16_value(cuda::to_bfloat16_pair(x, 0)), nearest(x, 7)) << x;
    EXPECT_EQ(cuda::to_bfloat16_pair(x, 0) << 16, cuda::to_bfloat16_pair(0, x));
  }
  const float ties[] = {1 + 0x1p-11f, 1 + 0x3p-11f, -1 - 0x1p-11f};
  for (const float x : ties) EXPECT_EQ(std::bit_cast<float>(cuda::to_tf32(x)), nearest(x, 10)) << x;
  EXPECT_EQ(bfloat16_value(cuda::to_bfloat16_pair(1 + 0x1p-8f, 0)), 1.0f);
  EXPECT_EQ(bfloat16_value(cuda::to_bfloat16_pair(1 + 0x3p-8f, 0)), 1 + 0x2p-7f);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float x : {0.0f, kInfinity, -kInfinity}) {
    EXPECT_EQ(std::bit_cast<float>(cuda::to_tf32(x)), x);
    EXPECT_EQ(bfloat16_value(cuda::to_bfloat16_pair(x, 0)), x);
  }
  // All bits set, as GPUs make it, and as few as possible.
  for (const uint32_t bits : {0x7fffffffu, 0x7f800001u, 0xff800001u}) {
    EXPECT_TRUE(std::isnan(std::bit_cast<float>(cuda::to_tf32(std::bit_cast<float>(bits)))));
    EXPECT_TRUE(std::isnan(bfloat16_value(cuda::to_bfloat16_pair(std::bit_cast<float>(bits), 0))));
  }
}

}  // namespace
}  // namespace prerank::test
