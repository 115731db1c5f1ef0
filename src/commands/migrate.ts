/** `celerycam migrate`: the database's schema, brought up to date, taken back, or told about. */
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { migrateDown, migrateUp, migrationStatus } from '../store/migrate.ts';
