// Requests at a constant rate, whatever the answers take (an open loop):
//
//   k6 run -e BASE_URL=http://127.0.0.1:9110 -e RATE=2000 -e DURATION=30s loadtest/k6/constant-rate.js
//
// Fails (exit code 99) when a threshold is crossed.

import http from 'k6/http';
import { check } from 'k6';
import { base_url, count, p99_ms } from './settings.js';

const rate = count('RATE', 2000);

export const options = {
  scenarios: {
    constant_rate: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      // Each virtual user has one request under way: enough of them for a tenth of a second of
      // waiting, and ten times that before requests are dropped.
      preAllocatedVUs: Math.max(10, Math.ceil(rate / 10)),
      maxVUs: Math.max(100, rate),
    },
  },
  discardResponseBodies: true,
  thresholds: {
    http_req_failed: ['rate<0.0001'],
    http_req_duration: [`p(99)<${p99_ms}`],
    checks: ['rate==1'],
    // A dropped iteration is a request that was due and that no virtual user was free to send:
    // the rate was not kept, so the latencies do not count.
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['avg', 'p(50)', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

export default function () {
  const answer = http.get(`${base_url}/`);
  check(answer, { 'status is 200': ({ status }) => status === 200 });
}
