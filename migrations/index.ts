/** The migrations, in order. One that was released never changes. */
import type { Knex } from 'knex';
import * as journal from './001_journal.ts';
import * as snapshots from './002_snapshots.ts';
import * as questions from './003_questions.ts';
import * as access from './004_access.ts';
import * as metrics from './005_metrics.ts';
import * as periodic from './006_periodic.ts';
import * as results from './007_results.ts';
import * as answers from './008_answers.ts';
import * as states from './009_states.ts';

export interface Migration {
  readonly name: string;
  readonly up: (knex: Knex) => Promise<void>;
  readonly down: (knex: Knex) => Promise<void>;
}

export const MIGRATIONS: readonly Migration[] = [
  journal,
  snapshots,
  questions,
  access,
  metrics,
  periodic,
  results,
  answers,
  states,
];
