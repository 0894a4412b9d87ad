#include "plan/parameter_init.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/philox.h"
#include "base/xxhash.h"

namespace prerank {
namespace {

using Four = std::array<float, 4>;

Four uniform_four(const PhiloxCounter& words, double scale) {
  const auto draw = [scale](uint32_t word) {
    return static_cast<float>(scale * (2.0 * static_cast<double>(unit_float(word)) - 1.0));
  };
  return {draw(words[0]), draw(words[1]), draw(words[2]), draw(words[3])};
}

// Box-Muller: two words give two independent normal values.
Four normal_four(const PhiloxCounter& words, double scale) {
  Four out;
  for (size_t pair = 0; pair < 2; ++pair) {
    const double u = (static_cast<double>(words[2 * pair]) + 1.0) * 0x1p-32;  // (0, 1]
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(words[2 * pair + 1]) * 0x1p-32;
    const double radius = scale * std::sqrt(-2.0 * std::log(u));
    out[2 * pair] = static_cast<float>(radius * std::cos(angle));
    out[2 * pair + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return out;
}

}  // namespace

void draw_parameter(const Init& init, uint64_t seed, const std::string& name, size_t first, std::span<float> out) {
  if (init.kind == InitKind::kZero || init.kind == InitKind::kConstant) {
    std::fill(out.begin(), out.end(), init.kind == InitKind::kZero ? 0.0f : static_cast<float>(init.scale));
    return;
  }
  const uint64_t stream = xxh64(name.data(), name.size());
  const PhiloxKey key = philox_key(seed);
  for (size_t done = 0; done < out.size();) {
    const uint64_t block = (first + done) / 4;
    const size_t skipped = (first + done) % 4;
    const PhiloxCounter words =
        philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(stream),
                    static_cast<uint32_t>(stream >> 32)},
                   key);
    const Four four =
        init.kind == InitKind::kUniform ? uniform_four(words, init.scale) : normal_four(words, init.scale);
    const size_t count = std::min<size_t>(4 - skipped, out.size() - done);
    std::copy_n(four.begin() + static_cast<ptrdiff_t>(skipped), count, out.begin() + static_cast<ptrdiff_t>(done));
    done += count;
  }
}

}  // namespace prerank
