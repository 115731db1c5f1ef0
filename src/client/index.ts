/** What `import … from 'celerycam/client'` offers, in Node and in browsers. */
export {
  type AnswerOf,
  type AskOptions,
  History,
  type HistoryOptions,
  type ListPath,
  type Moment,
  type Path,
  type Question,
  type RowOf,
  refusalIn,
  type TaskFilters,
} from './history.ts';
