/** `GET /metrics`, for Prometheus. */
import type { Context } from 'hono';
import { CONTENT_TYPE } from '../metrics/exposition.ts';
import type { Metrics } from '../metrics/metrics.ts';

/** The handler. OpenMetrics is not offered: whoever asks for it is content with the text format. */
export function metricsHandler(metrics: Pick<Metrics, 'render'>): (context: Context) => Response {
  return (context) => context.body(metrics.render(), 200, { 'content-type': CONTENT_TYPE });
}
