#include "cuda/tuning.h"

#include <cstdint>
#include <utility>

namespace prerank::cuda {
namespace {

constexpr size_t kHexDigits = 16;  // of a word

// An algorithm is eight words that may be kept for use with the same version of the library.
std::string to_hex(const cublasLtMatmulAlgo_t& algorithm) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint64_t word : algorithm.data) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[word >> shift & 15];
  }
  return text;
}

std::optional<uint64_t> digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

std::optional<cublasLtMatmulAlgo_t> from_hex(const std::string& text) {
  cublasLtMatmulAlgo_t algorithm = {};
  if (text.size() != std::size(algorithm.data) * kHexDigits) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::optional<uint64_t> value = digit(text[i]);
    if (!value) return std::nullopt;
    uint64_t& word = algorithm.data[i / kHexDigits];
    word = word << 4 | *value;
  }
  return algorithm;
}

}  // namespace

std::optional<cublasLtMatmulAlgo_t> Tuning::find(const std::string& product) const {
  const auto found = chosen_.find(product);
  if (found == chosen_.end()) return std::nullopt;
  return found->second;
}

ProductTuning Tuning::saved() const {
  ProductTuning saved{.fits = fits_, .products = {}};
  for (const auto& [product, algorithm] : chosen_) saved.products.push_back({product, to_hex(algorithm)});
  return saved;
}

Result<bool> Tuning::restore(const ProductTuning& saved) {
  if (saved.fits != fits_) return false;
  std::map<std::string, cublasLtMatmulAlgo_t> chosen;
  for (const auto& [product, algorithm] : saved.products) {
    const std::optional<cublasLtMatmulAlgo_t> words = from_hex(algorithm);
    if (!words) {
      return Status(Code::kInvalidArgument,
                    "the algorithm of the product " + product + " is not 128 hexadecimal digits");
    }
    chosen[product] = *words;
  }
  chosen_ = std::move(chosen);
  return true;
}

}  // namespace prerank::cuda
