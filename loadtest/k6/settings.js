// What both scripts read from the environment (`k6 run -e NAME=VALUE`).

// Where the gateway is.
export const base_url = (__ENV.BASE_URL || 'http://127.0.0.1:9110').replace(/\/$/, '');

// The latency that 99 of 100 small requests must stay under, in milliseconds.
export const p99_ms = count('P99_MS', 50);

// The whole number of at least 1 that the environment gives, or `usual`.
export function count(name, usual) {
  const value = Number(__ENV[name] || usual);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} is a whole number of at least 1, not ${__ENV[name]}`);
  }
  return value;
}
