// A rate that climbs in steps to PEAK, stays, and falls: where latency leaves the ground is what
// the service bears.
//
//   k6 run -e BASE_URL=http://127.0.0.1:9110 -e PEAK=10000 -e STEP=15s loadtest/k6/ramping-rate.js
//
// The mix of requests needs the test backend (`shardgate echo`) behind the gateway. Fails (exit
// code 99) when a threshold is crossed, and ends early when a tenth of all requests fail.

import http from 'k6/http';
import { check } from 'k6';
import { base_url, count, p99_ms } from './settings.js';

const peak = count('PEAK', 10000);
const step = __ENV.STEP || '15s';
const target = (share) => Math.max(1, Math.round(peak * share));

export const options = {
  scenarios: {
    ramping_rate: {
      executor: 'ramping-arrival-rate',
      startRate: target(0.1),
      timeUnit: '1s',
      preAllocatedVUs: Math.max(10, Math.ceil(peak / 10)),
      maxVUs: Math.max(100, peak),
      stages: [
        { target: target(0.25), duration: step },
        { target: target(0.5), duration: step },
        { target: target(0.75), duration: step },
        { target: target(1), duration: step },
        { target: target(1), duration: step },
        { target: target(0.1), duration: step },
      ],
    },
  },
  thresholds: {
    http_req_failed: [
      'rate<0.001',
      { threshold: 'rate<0.1', abortOnFail: true, delayAbortEval: '5s' },
    ],
    http_req_duration: [`p(99)<${p99_ms}`],
    'http_req_duration{kind:small}': [`p(99)<${p99_ms}`],
    'http_req_duration{kind:large}': [`p(99)<${p99_ms * 4}`],
    'http_req_duration{kind:upload}': [`p(99)<${p99_ms * 2}`],
    checks: ['rate>0.999'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['avg', 'p(50)', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

const upload = 'x'.repeat(4096);

export default function () {
  const share = Math.random();
  if (share < 0.8) {
    const answer = http.get(`${base_url}/`, { tags: { kind: 'small' } });
    check(answer, { 'small answers are 200': ({ status }) => status === 200 });
  } else if (share < 0.9) {
    const answer = http.get(`${base_url}/bytes/65536`, { tags: { kind: 'large' } });
    check(answer, { 'large answers are whole': ({ body }) => body && body.length === 65536 });
  } else {
    const answer = http.post(`${base_url}/echo`, upload, { tags: { kind: 'upload' } });
    check(answer, { 'bodies come back': ({ body }) => body === upload });
  }
}
