/** The columns of the written logs. */
import { STAGES } from '../config/types.js';
import { OBJECTIVES } from '../data/plan-columns.js';
import { expectedFeedback } from './feedback.js';
import type { LoggedRows } from './log-rows.js';
import { ctrTraffic } from './scoring.js';

export type ColumnValues = Uint32Array | Uint8Array | Float32Array | BigInt64Array;

/** Nulls: NaN in `float`, NULL_FLAG in `flag`. Names are stored by position. */
export type ColumnKind = 'id' | 'flag' | 'version' | 'float' | 'time' | { readonly names: readonly string[] };

export interface TableColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly values: ColumnValues;
}

/** Columns of equal length. */
export type Table = readonly TableColumn[];

const nullable = (name: string, values: Float32Array): TableColumn => ({ name, kind: 'float', values });
const flag = (name: string, values: Uint8Array): TableColumn => ({ name, kind: 'flag', values });
const id = (name: string, values: Uint32Array): TableColumn => ({ name, kind: 'id', values });

/** Microseconds since 1970 of each row. */
function timestamps({ candidates }: LoggedRows): BigInt64Array {
  const { batch, offsets, rows } = candidates;
  const times = new BigInt64Array(rows);
  for (const [i, time] of batch.times.entries()) {
    times.fill(BigInt(time) * 1000n, offsets[i], offsets[i + 1]);
  }
  return times;
}

export function logTable(logged: LoggedRows): Table {
  const { candidates, scores, values, stage, shown, click, conversion, events } = logged;
  const { system, batch, rows, user, ad } = candidates;
  const { phase } = batch;
  const names = system.truth.events.map((event) => event.name);
  const none = new Uint8Array(0);
  return [
    id('request_id', candidates.request),
    { name: 'ts', kind: 'time', values: timestamps(logged) },
    id('user_id', user),
    id('ad_id', ad),
    { name: 'stage', kind: { names: STAGES }, values: stage },
    flag('shown', shown),
    flag('click', click),
    flag('conversion', conversion),
    ...names.map((name, e) => flag(name, events[e] ?? none)),
    { name: 'objective', kind: { names: OBJECTIVES }, values: candidates.objective },
    flag('ctr_traffic', ctrTraffic(candidates)),
    nullable('ectr', scores.ctr),
    nullable('ecvr', scores.cvr),
    nullable('evtr', scores.vtr),
    ...names.map((name, e) => nullable(`p_${name}`, scores.events[e] ?? new Float32Array(0))),
    nullable('cqs', values.cqs),
    { name: 'cqs_version', kind: 'version', values: new Uint8Array(rows).fill(phase.qualityVersion) },
    { name: 'teacher_version', kind: 'version', values: new Uint8Array(rows).fill(phase.teacherVersion) },
    nullable('bid', candidates.bid),
    nullable('early_cvr', candidates.conversionRates.cvr),
    nullable('early_vtr', candidates.conversionRates.vtr),
    nullable('total_value', values.totalValue),
    ...system.features.map(({ name, gather }) => nullable(name, gather(user, ad))),
  ];
}

/** The true probabilities of the same rows. */
export function truthTable({ candidates }: LoggedRows): Table {
  const { click, conversion, events } = expectedFeedback(candidates);
  const names = candidates.system.truth.events.map((event) => event.name);
  return [
    id('request_id', candidates.request),
    id('ad_id', candidates.ad),
    nullable('true_click', Float32Array.from(click)),
    nullable('true_conversion', Float32Array.from(conversion)),
    ...names.map((name, e) => nullable(`true_${name}`, Float32Array.from(events[e] ?? []))),
  ];
}

/** The rows of several tables with the same columns, one behind the other. */
export function concatTables(tables: readonly Table[]): Table {
  const [first = []] = tables;
  return first.map(({ name, kind, values: sample }, i) => {
    const pieces = tables.map((table) => table[i]?.values ?? sample);
    const rows = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const values = new (sample.constructor as new (length: number) => ColumnValues)(rows);
    let from = 0;
    for (const piece of pieces) {
      values.set(piece as never, from);
      from += piece.length;
    }
    return { name, kind, values };
  });
}

export function rowsOf(table: Table): number {
  return table[0]?.values.length ?? 0;
}
