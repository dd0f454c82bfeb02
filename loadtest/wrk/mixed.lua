-- Asks for answers of many kinds, as the backend's paths give them; the figures come from
-- report.lua. Statuses of 400 and more count as errors in wrk, so the mix holds none,
-- and no HEAD, for whose answers wrk would wait for a body.
--   wrk -t1 -c64 -d5s -s loadtest/wrk/mixed.lua http://127.0.0.1:9110

local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "report.lua")

-- How often of 100, and what for.
local MIX = {
    { 60, "GET", "/" },
    { 10, "GET", "/bytes/1024" },
    { 8, "GET", "/bytes/16384" },
    { 2, "GET", "/bytes/262144" },
    { 5, "GET", "/chunked/4/512" },
    { 5, "GET", "/headers" },
    { 6, "GET", "/status/204" },
    { 3, "POST", "/echo" },
    { 1, "GET", "/trailers" },
}

local requests = {}
local next_index = 0

function init(args)
    local body = string.rep("x", 512)
    for _, kind in ipairs(MIX) do
        local text = wrk.format(kind[2], kind[3], nil, kind[2] == "POST" and body or nil)
        for _ = 1, kind[1] do
            requests[#requests + 1] = text
        end
    end
    -- Shuffled the same way each time, so that two runs send the same requests.
    math.randomseed(1)
    for index = #requests, 2, -1 do
        local other = math.random(index)
        requests[index], requests[other] = requests[other], requests[index]
    end
end

function request()
    next_index = next_index % #requests + 1
    return requests[next_index]
end
