-- Sends bodies and has them sent back. The size in bytes follows `--`; 4,096 if none is given.
--   wrk -t1 -c64 -d5s -s loadtest/wrk/post.lua http://127.0.0.1:9110/echo -- 65536

local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "report.lua")

function init(args)
    local body_bytes = tonumber(args[1] or "4096")
    assert(body_bytes and body_bytes >= 0, "the size of the body is a number")
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "text/plain"
    wrk.body = string.rep("x", body_bytes)
    text = wrk.format()
end

function request()
    return text
end
