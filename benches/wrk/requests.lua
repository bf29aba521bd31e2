-- wrk -s requests.lua URL -- FILE
-- Sends the requests of FILE over and over, in its order. A line is a method, a path and, where there is one, a body of JSON.
done = require("report")

local requests, at = {}, 0

function init(arguments)
  local headers = { ["Host"] = wrk.headers["Host"], ["Content-Type"] = "application/json" }
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
    local has_body = body ~= ""
    requests[#requests + 1] = wrk.format(method, path, has_body and headers or nil, has_body and body or nil)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
