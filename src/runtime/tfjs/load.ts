/** Finds TensorFlow.js: an optional peer, in whichever of its packages is installed. */
import { PrerankError } from '../../base/errors.js';

export type Tf = typeof import('@tensorflow/tfjs');

/** Fastest first. */
export const TFJS_PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node', '@tensorflow/tfjs'] as const;

export type TfjsPackage = (typeof TFJS_PACKAGES)[number];

/** The first package that is installed and loads, with its backend ready. */
export async function loadTfjs(packages: readonly string[] = TFJS_PACKAGES): Promise<{ tf: Tf; name: string }> {
  const problems: string[] = [];
  for (const name of packages) {
    try {
      const tf = (await import(name)) as Tf;
      await tf.ready();
      return { tf, name };
    } catch (error) {
      problems.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new PrerankError(
    'DEVICE_UNAVAILABLE',
    `TensorFlow.js could not be loaded (${problems.join('; ')}); install one of its packages, e.g. npm install @tensorflow/tfjs`,
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    ? 'not installed'
    : (error.message.split('\n')[0] ?? '');
}
