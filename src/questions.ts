/** Everything that can be asked of the record, of journal and snapshots, in one. */
import type { Knex } from 'knex';
import type { Questions } from './http/questions.ts';
import { deadLettersPage, gapsBetween, gapsPage } from './journal/lists.ts';
import { eventsOf } from './journal/questions.ts';
import { createHistory } from './store/history.ts';

export function createQuestions(db: Knex): Questions {
  const between: Questions['gapsBetween'] = (from, to) => gapsBetween(db, from, to);
  return {
    ...createHistory(db, between),
    gaps: (question) => gapsPage(db, question),
    gapsBetween: between,
    deadLetters: (question) => deadLettersPage(db, question),
    eventsOf: (cluster, uuid, limit) => eventsOf(db, cluster, uuid, limit),
  };
}
