-- Asks for all routes of a configuration that loadtest/make-config wrote, one after the other in
-- a shuffled order. The number of routes follows `--`; 1,000 if not given, as in proxy.toml.
--   wrk -t1 -c64 -d5s -s loadtest/wrk/routes.lua http://127.0.0.1:9110 -- 1000

local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "report.lua")

-- The same names and shapes as in loadtest/make-config.
local SERVICES = {
    "accounts", "baskets", "carriers", "devices", "events", "friends", "groups", "hotels",
    "invoices", "journeys", "keys", "ledgers", "messages", "notes", "orders", "payments",
    "queues", "ratings", "shops", "tickets",
}
local SHAPES = {
    { "GET", "/%s" },
    { "GET", "/%s/4711" },
    { "POST", "/%s/4711/lines" },
    { "GET", "/%s/4711/lines/42" },
    { "PUT", "/%s/4711/files/a/b/c.txt" },
}

local requests = {}
local next_index = 0

function init(args)
    local count = tonumber(args[1] or "1000")
    assert(count and count >= 1, "the number of routes is 1 or more")
    for index = 0, count - 2 do
        local shape, at = SHAPES[index % #SHAPES + 1], math.floor(index / #SHAPES)
        local group = math.floor(at / #SERVICES)
        local resource = string.format("%s/g%d", SERVICES[at % #SERVICES + 1], group)
        local body = shape[1] ~= "GET" and "hello" or nil
        local path = string.format(shape[2], resource)
        requests[index + 1] = wrk.format(shape[1], path, nil, body)
    end
    requests[count] = wrk.format("GET", "/what/no/other/route/takes")
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
