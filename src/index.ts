/** What `import … from 'celerycam'` offers: the whole recorder to run, and the fold by itself. */
export { run } from './app.ts';
export { type BrokerConfig, type Config, type Flags, loadConfig, type SimulationConfig } from './config.ts';
export type { Changes, FeedMessage, FeedReset, FeedSnapshot, Hello, Subscribe } from './contract/feed.ts';
export type { TaskRecord, WorkerRecord } from './contract/records.ts';
export { createDiagnostics, type DiagnosticEvents, type Diagnostics } from './diagnostics.ts';
export type { Event, JournalEntry, Json, Position, Seconds } from './domain/event.ts';
export { type Circumstances, type Explained, type Explanation, explain } from './domain/explain.ts';
export type { Gap, GapCause } from './domain/gap.ts';
export { type Report, reportOf } from './domain/report.ts';
export type { Run } from './domain/runs.ts';
export { type Change, type Clusters, createClusters, fold, type Limits, type State, stateOf } from './domain/state.ts';
export type { Task } from './domain/task.ts';
export type { Worker } from './domain/worker.ts';
export { type ErrorCode, MonitorError } from './errors.ts';
export { createLog, type Logger } from './log.ts';
