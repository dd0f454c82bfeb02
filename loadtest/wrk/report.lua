-- Prints what wrk measured as one line of JSON, after its own summary. By hand:
--   wrk -t1 -c64 -d5s -s loadtest/wrk/report.lua http://127.0.0.1:9110/
-- It defines no request(), so requests cost what they cost without a script.

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests":%d,"duration_us":%d,"bytes":%d,' ..
        '"mean_us":%.1f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p99_9_us":%d,"max_us":%d,' ..
        '"connect_errors":%d,"read_errors":%d,"write_errors":%d,"status_errors":%d,"timeouts":%d}\n',
        summary.requests, summary.duration, summary.bytes,
        latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99),
        latency:percentile(99.9), latency.max,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
