/** The native core as an engine: parameter stores and programs that run compiled plans. */
export { loadAddon } from './load.js';
export * from './native.js';
export type * from './plan.js';
