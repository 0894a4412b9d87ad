/**
 * Vocabularies that an ingest learnt, as JSON text: they may have millions of values, which are written to features.json
 * as they came and parsed only when somebody looks at one.
 */
import type { IdMapping } from './features.js';

export type Vocabulary = Extract<IdMapping, { readonly kind: 'vocabulary' }>;

interface VocabularyText {
  /** An array of strings. */
  readonly json: string;
  readonly count: number;
}

const texts = new WeakMap<Vocabulary, VocabularyText>();

/** What a vocabulary says besides its values, which are not looked at. */
export function withoutValues({ kind, valueType, minFrequency, capacity }: Vocabulary): Vocabulary {
  return { kind, valueType, minFrequency, ...(capacity !== undefined && { capacity }), values: [] };
}

/** `base` with the values that a text holds. */
function withText(base: Vocabulary, text: VocabularyText): Vocabulary {
  let parsed: readonly string[] | undefined;
  const vocabulary: Vocabulary = {
    ...withoutValues(base),
    get values() {
      parsed ??= JSON.parse(text.json) as readonly string[];
      return parsed;
    },
  };
  texts.set(vocabulary, text);
  return vocabulary;
}

/** `base` with `count` values, given as JSON. */
export function withJsonValues(base: Vocabulary, json: string, count: number): Vocabulary {
  return withText(base, { json, count });
}

/** `base` with the values of another vocabulary. */
export function withValuesOf(base: Vocabulary, other: Vocabulary): Vocabulary {
  const text = texts.get(other);
  return text === undefined ? { ...withoutValues(base), values: other.values } : withText(base, text);
}

export function vocabularySize(vocabulary: Vocabulary): number {
  return texts.get(vocabulary)?.count ?? vocabulary.values.length;
}

/** The values as JSON. */
export function valuesJson(vocabulary: Vocabulary): string {
  return texts.get(vocabulary)?.json ?? JSON.stringify(vocabulary.values);
}
