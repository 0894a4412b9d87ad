/** What building the CUDA library needs: nvcc, and the headers of cuBLASLt. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** SASS for these, and PTX of the last. */
const ARCHITECTURES = '80-real;86-real;89-real;90-real;100';

/** Of a toolkit under nvcc's own folder; a wrapper in another folder is followed by its `cuda` neighbour. */
function toolkitIncludes() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => existsSync(join(folder, 'nvcc')));
  return folders.flatMap((folder) => {
    const home = dirname(dirname(realpathSync(join(folder, 'nvcc'))));
    return [join(home, 'include'), join(home, 'cuda', 'include')];
  });
}

/**
 * How the CUDA library can be built here.
 * @returns {{options: string[]} | {missing: string}} CMake options, or what is missing
 */
export function cudaBuild() {
  const includes = toolkitIncludes();
  if (includes.length === 0) return { missing: 'nvcc is not installed' };
  const given = process.env.PRERANK_CUBLAS;
  const candidates = given === undefined ? includes : [join(given, 'include'), ...includes];
  const headers = candidates.find((folder) => existsSync(join(folder, 'cublasLt.h')));
  if (headers === undefined) {
    return {
      missing:
        "the headers of cuBLASLt are not there: install the toolkit's cuBLAS, or NVIDIA's Python package nvidia-cublas, and set PRERANK_CUBLAS to its folder nvidia/cu13",
    };
  }
  const architectures = process.env.PRERANK_CUDA_ARCHITECTURES ?? ARCHITECTURES;
  return {
    options: ['PRERANK_CUDA=ON', `CMAKE_CUDA_ARCHITECTURES=${architectures}`, `CUBLASLT_INCLUDE_DIR=${headers}`],
  };
}

/** Whether this machine runs an NVIDIA driver: then the CUDA library is built without being asked for. */
export function hasNvidiaDriver() {
  return existsSync('/proc/driver/nvidia/version');
}
