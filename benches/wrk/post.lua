-- wrk -s post.lua URL
-- Posts one metric a request, as the plugin does: 2,000 variants in 200 sessions on 8 machines, none of them the history's.
done = require("report")

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local form = '{"session_h": "%032x", "context_h": "%032x", "item_start_time": "2026-01-01T00:00:%02d.%06d", '
  .. '"item_path": "tests.core_api.test_load_%d", "item": "test_row_%d", "item_variant": "test_row_%d[n=%d, engine=a]", '
  .. '"item_fs_loc": "tests/core_api/test_load_%d.py", "kind": "function", "component": "core.api", "total_time": %.6f, '
  .. '"user_time": 0.4, "kernel_time": 0.02, "cpu_usage": 0.82, "mem_usage": %.4f}'
local n = 0

function request()
  n = n + 1
  local variant = n * 7919 % 2000
  local body = string.format(form, 1000 + n % 200, 7 + n % 8, n % 60, n % 1000000, variant % 40, variant, variant,
    variant % 7, variant % 40, 0.1 + (n * 104729 % 10007) / 1000, (n * 15485863 % 100003) / 100)
  return wrk.format(nil, nil, nil, body)
end
