/** What `import … from 'celerycam/client'` offers: a client of a running celerycam, for Node and browsers. */
export type {
  Behind,
  Changes,
  FeedError,
  FeedMessage,
  FeedReset,
  FeedSnapshot,
  FeedTopic,
  Hello,
  Live,
  Missed,
  Shutter,
  Subscribe,
  Subscribed,
} from '../contract/feed.ts';
export type {
  DueTimes,
  NewPeriodicTask,
  PeriodicRunRecord,
  PeriodicRunRow,
  PeriodicSchedule,
  PeriodicTaskChange,
  PeriodicTaskRow,
} from '../contract/periodic.ts';
export type { TaskRecord, WorkerRecord } from '../contract/records.ts';
export type { GroupAnswer, ResultRecord } from '../contract/results.ts';
export { type ErrorCode, MonitorError } from '../errors.ts';
export { type ApiOptions, type AskOptions, refusalIn } from './api-client.ts';
export type {
  FeedSubscription,
  LiveFeedEvents,
  LiveFeedOptions,
  WebSocketClass,
  WebSocketLike,
} from './feed-options.ts';
export { FeedState, keyOf } from './feed-state.ts';
export {
  type AnswerOf,
  History,
  type ListPath,
  type Moment,
  type Path,
  type Question,
  type RowOf,
  type TaskFilters,
} from './history.ts';
export { LiveFeed } from './live-feed.ts';
export { type PeriodicTaskRead, PeriodicTasks } from './periodic-tasks.ts';
