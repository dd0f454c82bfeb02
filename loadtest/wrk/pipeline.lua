-- Sends several requests at once on each connection. How many follows `--`; 16 if not given.
-- Only requests per second count here: wrk loses track of latencies when it pipelines.
--   wrk -t1 -c16 -d5s -s loadtest/wrk/pipeline.lua http://127.0.0.1:9110/ -- 16

local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "report.lua")

function init(args)
    local depth = tonumber(args[1] or "16")
    assert(depth and depth >= 1, "the number of requests sent at once is 1 or more")
    text = string.rep(wrk.format(), depth)
end

function request()
    return text
end
