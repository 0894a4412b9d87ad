#include "base/cpu_info.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <thread>

namespace prerank {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(':');
    const size_t start = line.find_first_not_of(" \t", colon == std::string::npos ? colon : colon + 1);
    if (start != std::string::npos) return line.substr(start);
  }
  return "unknown";
}

size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<size_t>(std::max(CPU_COUNT(&set), 1));
  return std::max<size_t>(std::thread::hardware_concurrency(), 1);
}

}  // namespace prerank
