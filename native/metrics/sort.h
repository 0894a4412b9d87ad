// Stable orders of rows by score and by group, as permutations.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace prerank {

// Rows by score, ascending; rows with equal scores (0 and -0 too) in the order of `rows`, which is any list of row
// numbers.
void sort_by_score(std::span<const double> scores, std::vector<uint32_t>& rows);

// Rows by group, ascending, otherwise in the order of `rows`.
void sort_by_group(std::span<const uint32_t> groups, std::vector<uint32_t>& rows);

}  // namespace prerank
