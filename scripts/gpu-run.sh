#!/usr/bin/env bash
# Runs the CUDA tests and benchmarks of a bundle (scripts/gpu-bundle.mjs) on a machine with a GPU.
#   bash run [RESULTS]       RESULTS: where the JSON files go (default: results beside this script)
# Every part has its own time limit, in seconds; LIMIT scales them all.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=$(mkdir -p "${1:-$here/results}" && cd "${1:-$here/results}" && pwd)
limit=${LIMIT:-1}

[ -d "$here/prerank" ] || tar -xJf "$here/prerank-gpu.tar.xz" -C "$here" || exit 1
cd "$here/prerank" || exit 1
export LD_LIBRARY_PATH="$PWD/lib:${LD_LIBRARY_PATH:-}" PRERANK_TEST_GPU=1
# cuBLAS often lies in a Python package, where the loader does not look.
if [ -z "${PRERANK_CUBLASLT:-}" ]; then
  found=$(find / -name 'libcublasLt.so.13' -not -path '/proc/*' 2>/dev/null | head -1)
  [ -n "$found" ] && export PRERANK_CUBLASLT=$found
fi

summary=()
# part NAME SECONDS COMMAND...: its output to RESULTS/NAME.json, its messages to RESULTS/NAME.log
part() {
  local name=$1 seconds=$2
  shift 2
  timeout "$((seconds * limit))" "$@" >"$results/$name.json" 2>"$results/$name.log"
  local status=$?
  summary+=("$name: status $status")
  [ -s "$results/$name.json" ] || rm -f "$results/$name.json"
}

command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv >"$results/device.csv"
part doctor 30 ./node dist/cli/main.js doctor --json
part tests 300 ./node node_modules/mocha/bin/mocha.js --timeout 60000 --reporter json 'build-test/test/cuda/*.test.js'
for config in two-tower-d dlrm-criteo dlrm-criteo-1tb dcn-multihot; do
  for matmul in float32 tf32 bfloat16; do
    part "step-$config-$matmul" 120 ./node dist/cli/main.js bench step --json --device cuda:0 --config "$config" \
      --batch 65536 --threads "$(nproc)" --matmul "$matmul"
  done
done
for config in dlrm-criteo-1tb dcn-multihot; do
  part "step-$config-bfloat16-autotune" 120 ./node dist/cli/main.js bench step --json --device cuda:0 --config "$config" \
    --batch 65536 --threads "$(nproc)" --matmul bfloat16 --autotune
done
for matmul in float32 tf32 bfloat16; do
  operations=(linear linear.dx linear.dw)
  [ "$matmul" = float32 ] && operations=()
  part "kernels-$matmul" 300 ./node dist/cli/main.js bench kernels "${operations[@]}" --json --device cuda:0 --rounds 1 --matmul "$matmul"
done
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck; do
    part "sanitizer-$tool" 300 compute-sanitizer --tool "$tool" --target-processes all --error-exitcode 9 \
      ./node node_modules/mocha/bin/mocha.js --timeout 600000 --reporter json -g '7 rows|SGD step' 'build-test/test/cuda/*.test.js'
  done
fi
printf '%s\n' "${summary[@]}" | tee "$results/summary.txt"
