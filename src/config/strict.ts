/** Objects of a schema whose unknown keys are errors. */
import { z } from 'zod';
import { didYouMean, listNames } from '../base/suggest.js';

/** An object whose unknown keys are refused with the nearest known one. */
export function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const keys = (issue as { keys?: readonly string[] }).keys ?? [];
      const hints = keys.map((key) => didYouMean(key, known)).join('');
      return `unknown key ${keys.map((key) => `"${key}"`).join(', ')}.${hints} Known keys: ${listNames(known, 30)}`;
    },
  });
}
