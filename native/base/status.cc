#include "prerank/status.h"

namespace prerank {

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kOutOfRange: return "OUT_OF_RANGE";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kIoError: return "IO_ERROR";
    case Code::kDatasetChanged: return "DATASET_CHANGED";
    case Code::kDatasetCorrupt: return "DATASET_CORRUPT";
    case Code::kOutOfMemory: return "OUT_OF_MEMORY";
    case Code::kCancelled: return "CANCELLED";
    case Code::kNonFinite: return "NON_FINITE";
    case Code::kUnsupported: return "UNSUPPORTED";
    case Code::kInternal: return "INTERNAL";
  }
  return "INTERNAL";
}

}  // namespace prerank
