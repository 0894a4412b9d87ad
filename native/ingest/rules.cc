#include "ingest/rules.h"

#include <cmath>
#include <cstddef>
#include <string>

#include "ingest/verdict_text.h"

namespace prerank::ingest {
namespace {

const double* values_of(const NumberEncoder* encoder) { return encoder == nullptr ? nullptr : encoder->values(); }

void reject(const NumberEncoder& encoder, size_t row, const char* reason, Verdict& verdict) {
  const double value = encoder.values()[row];
  std::string text;
  if (!std::isnan(value)) append_number(value, text);
  verdict.reject(row, encoder.column().label, std::move(text), reason);
}

// Whether some row breaks `event only where shown`.
bool event_unshown(const double* shown, const double* event, size_t rows) {
  int bad = 0;
  for (size_t i = 0; i < rows; ++i) bad |= (shown[i] != 1) & (event[i] > 0);
  return bad != 0;
}

bool click_missing(const double* shown, const double* traffic, const double* click, size_t rows) {
  int bad = 0;
  for (size_t i = 0; i < rows; ++i) {
    const bool is_shown = shown == nullptr || shown[i] == 1;
    const bool in_traffic = traffic == nullptr || traffic[i] == 1;
    bad |= is_shown & in_traffic & (click[i] != click[i]);
  }
  return bad != 0;
}

}  // namespace

RoleColumns RoleColumns::of(std::span<const NumberEncoder> numbers) {
  RoleColumns roles;
  for (const NumberEncoder& number : numbers) {
    switch (number.column().role) {
      case NumberRole::kNone:
        break;
      case NumberRole::kImpression:
        roles.impression = &number;
        break;
      case NumberRole::kCtrTraffic:
        roles.ctr_traffic = &number;
        break;
      case NumberRole::kClick:
        roles.click = &number;
        break;
      case NumberRole::kConversion:
        roles.conversion = &number;
        break;
      case NumberRole::kStage:
        roles.stage = &number;
        break;
      case NumberRole::kWeight:
        roles.weight = &number;
        break;
    }
  }
  return roles;
}

void check_roles(const RoleColumns& roles, Verdict& verdict) {
  const size_t rows = verdict.rows();
  const double* const shown = values_of(roles.impression);
  const double* const traffic = values_of(roles.ctr_traffic);
  const double* const click = values_of(roles.click);
  const double* const conversion = values_of(roles.conversion);
  const bool clean = !(shown != nullptr && click != nullptr && event_unshown(shown, click, rows)) &&
                     !(shown != nullptr && conversion != nullptr && event_unshown(shown, conversion, rows)) &&
                     !(click != nullptr && click_missing(shown, traffic, click, rows));
  if (clean) return;
  for (size_t row = 0; row < rows; ++row) {
    if (!verdict.kept(row)) continue;
    if (shown != nullptr && shown[row] != 1) {
      if (click != nullptr && click[row] > 0) reject(*roles.click, row, "click without impression", verdict);
      else if (conversion != nullptr && conversion[row] > 0)
        reject(*roles.conversion, row, "conversion without impression", verdict);
    } else if (click != nullptr && std::isnan(click[row]) && (traffic == nullptr || traffic[row] == 1)) {
      reject(*roles.click, row, "impression in CTR traffic without a click label (null)", verdict);
    }
  }
}

}  // namespace prerank::ingest
