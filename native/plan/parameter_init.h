// Start values of parameters: element e of a parameter depends on the seed, the parameter's name and e alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "prerank/parameter_store.h"

namespace prerank {

// Draws elements [first, first + out.size()) of the parameter `name`, four at a time: `first` is best a multiple of 4.
void draw_parameter(const Init& init, uint64_t seed, const std::string& name, size_t first, std::span<float> out);

}  // namespace prerank
