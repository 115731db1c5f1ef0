/** What `import … from 'celerycam'` offers: a monitor to read events from, the whole recorder to run, and the fold by itself. */
export { run } from './app.ts';
export type { ReceiverStatus } from './broker/receiver.ts';
export { type BrokerConfig, type Config, type Flags, loadConfig, type SimulationConfig } from './config.ts';
export type { Changes, FeedMessage, FeedReset, FeedSnapshot, Hello, Subscribe } from './contract/feed.ts';
export type { TaskRecord, WorkerRecord } from './contract/records.ts';
export type { GroupAnswer, ResultRecord } from './contract/results.ts';
export { createDiagnostics, type DiagnosticEvents, type Diagnostics } from './diagnostics.ts';
export type { DeadLetter, Event, JournalEntry, Json, Position, Seconds } from './domain/event.ts';
export { type Circumstances, type Explained, type Explanation, explain } from './domain/explain.ts';
export type { Gap, GapCause } from './domain/gap.ts';
export { type Report, reportOf } from './domain/report.ts';
export type { Run } from './domain/runs.ts';
export { type Change, type Clusters, createClusters, fold, type Limits, type State, stateOf } from './domain/state.ts';
export {
  ALL_STATES,
  EXCEPTION_STATES,
  FAILURE,
  PENDING,
  PROPAGATE_STATES,
  precedence,
  READY_STATES,
  RECEIVED,
  REJECTED,
  RETRY,
  REVOKED,
  STARTED,
  SUCCESS,
  TASK_STATUS_DONE,
  TASK_STATUS_FAILURE,
  TASK_STATUS_PENDING,
  TASK_STATUS_RETRY,
  TASK_STATUSES,
  TASK_STATUSES_CHOICES,
  UNREADY_STATES,
} from './domain/states.ts';
export type { Task } from './domain/task.ts';
export type { Worker } from './domain/worker.ts';
export { type ErrorCode, MonitorError } from './errors.ts';
export {
  type CeleryEvent,
  type CustomEvent,
  type CustomType,
  type EventBase,
  isCustom,
  type TaskCancelled,
  type TaskEvent,
  type TaskFailed,
  type TaskReceived,
  type TaskRejected,
  type TaskRetried,
  type TaskRevoked,
  type TaskSent,
  type TaskStarted,
  type TaskSucceeded,
  type WorkerEvent,
  type WorkerHeartbeat,
  type WorkerOffline,
  type WorkerOnline,
} from './library/events.ts';
export { connect, type Monitor, type MonitorOptions } from './library/monitor.ts';
export { type GetOptions, openResults, type Results, type ResultsOptions } from './library/results.ts';
export { createLog, type Logger } from './log.ts';
