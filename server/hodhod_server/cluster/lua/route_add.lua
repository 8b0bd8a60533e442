-- Add a gateway to users' routes. KEYS the routes, ARGV[1] the gateway, ARGV[2] its life in seconds.
-- A value is the gateways' ids joined by commas, so that MGET resolves many users at once.
local own = ',' .. ARGV[1] .. ','
for _, key in ipairs(KEYS) do
    local route = redis.call('GET', key)
    if not route then
        route = ARGV[1]
    elseif not string.find(',' .. route .. ',', own, 1, true) then
        route = route .. ',' .. ARGV[1]
    end
    redis.call('SET', key, route, 'EX', ARGV[2])
end
