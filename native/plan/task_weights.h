// How gradients of several tasks become one: coefficients from their dot products alone. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace prerank {

inline constexpr size_t kMaxWeighed = 32;  // tasks

// Coefficients c of sum_i g'_i = sum_j c_j g_j, where g'_i is g_i after projection onto the normal plane of every g_j
// that it conflicts with, in an order drawn from (seed, step) (Yu et al., "Gradient surgery for multi-task learning",
// 2020). gram: [K, K] of the g; a zero gradient is not projected on. coefficients: K.
void pcgrad_coefficients(std::span<const double> gram, uint64_t seed, uint64_t step, std::span<double> coefficients);

// The alpha of the simplex that minimises |sum_k alpha_k g_k| (Desideri 2012; Sener and Koltun, "Multi-task learning as
// multi-objective optimization", 2018): closed form for two tasks, Frank-Wolfe for more.
void min_norm_weights(std::span<const double> gram, std::span<double> alpha);

// min_norm_weights of g_k / norms_k over the tasks with a gradient, times their number, so that equal weights are 1. A
// task without a gradient (no rows in the batch) would win with alpha 1: it is left out and keeps 1.
void mgda_coefficients(std::span<const double> gram, std::span<const double> norms, std::span<double> coefficients);

}  // namespace prerank
