/** Periodic tasks as the dashboard asks for them, and acts on them. */
import { computed, signal } from '@preact/signals';
import { refusalIn } from '../client/api-client.ts';
import { PeriodicTasks } from '../client/periodic-tasks.ts';
import type { ErrorAnswer } from '../contract/api.ts';
import { reasonOf } from '../errors.ts';
import { beat, slowBeat } from './pulse.ts';
import { ROOT } from './router.ts';

export const periodic = new PeriodicTasks({ url: ROOT });

/** How often something was changed from here. */
const edits = signal(0);

/** Changes whenever there may be something new to see: also what others set, who tell nobody. */
export const periodicBeat = computed(() => `${beat.value} ${slowBeat.value} ${edits.value}`);

/** Acts, and lets what is shown be asked anew. Null, or why it could not be done. */
export async function act(work: () => Promise<unknown>): Promise<ErrorAnswer | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return refusalIn(error) ?? { error: reasonOf(error) };
  } finally {
    edits.value += 1;
  }
}
