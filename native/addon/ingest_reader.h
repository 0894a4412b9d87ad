// Specs of the ingest given from JavaScript (IngestSpec, ProfileSpec of src/runtime/native.ts).
#pragma once

#include <napi.h>

#include "prerank/ingest.h"

namespace prerank::addon {

// Throw when a field is missing or of the wrong type; what a spec means is checked by who runs it.
IngestSpec read_ingest_spec(Napi::Value value);
ProfileSpec read_profile_spec(Napi::Value value);

}  // namespace prerank::addon
