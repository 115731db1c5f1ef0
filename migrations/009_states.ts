/** Lists of one state, in every order: of running or failed tasks among many more that succeeded, the first page is whole. */
import type { Knex } from 'knex';

export const name = '009_states';

/** Takes some ten seconds for each ten million tasks. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create index task_states_state_started on task_states (state, started) where state <> 'SUCCESS';
    create index task_states_state_timestamp on task_states (state, "timestamp") where state <> 'SUCCESS';
    create index task_states_state_runtime on task_states (state, runtime) where state <> 'SUCCESS';
    create index task_states_state_name on task_states (state, name, received) where state <> 'SUCCESS';
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index task_states_state_started, task_states_state_timestamp, task_states_state_runtime, task_states_state_name;
  `);
}
