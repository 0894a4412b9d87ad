/** The studies that `prerank experiment` knows. */
import { PrerankError } from '../base/errors.js';
import { didYouMean, listNames } from '../base/suggest.js';
import { BALANCING } from './balancing.js';
import { ECM } from './ecm-study.js';
import type { ModelStudy } from './model-study.js';
import { OPEN_QUESTIONS } from './open-questions.js';
import { FIGURE4, TABLE1, TABLE2, TABLE3, TABLE4 } from './paper-tables.js';
import { PWISER } from './pwiser-study.js';
import { QUICK_START } from './quick-start.js';
import { ROBUST_LOSS } from './robust-loss.js';
import type { CascadeStudy } from './study.js';
import { TAML } from './taml-study.js';
import { TRAINED_FINAL } from './trained-final.js';

export type Study = CascadeStudy | ModelStudy;

export const STUDIES: readonly Study[] = [
  TABLE1,
  TABLE2,
  TABLE3,
  TABLE4,
  FIGURE4,
  TRAINED_FINAL,
  OPEN_QUESTIONS,
  ROBUST_LOSS,
  BALANCING,
  TAML,
  PWISER,
  ECM,
  QUICK_START,
];

export const STUDY_NAMES = STUDIES.map(({ name }) => name);

/** @throws PrerankError USAGE naming the known ones. */
export function findStudy(name: string): Study {
  const study = STUDIES.find((candidate) => candidate.name === name);
  if (study !== undefined) return study;
  throw new PrerankError(
    'USAGE',
    `there is no study ${name}.${didYouMean(name, STUDY_NAMES)} Studies: ${listNames(STUDY_NAMES, 30)}`,
  );
}
