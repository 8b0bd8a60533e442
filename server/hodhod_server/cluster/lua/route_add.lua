-- Add a gateway to a user's route. KEYS[1] the route, ARGV[1] the gateway, ARGV[2] its life in seconds.
-- The value is the gateways' ids joined by commas, so that MGET resolves many users at once.
local route = redis.call('GET', KEYS[1])
if not route then
    route = ARGV[1]
elseif not string.find(',' .. route .. ',', ',' .. ARGV[1] .. ',', 1, true) then
    route = route .. ',' .. ARGV[1]
end
redis.call('SET', KEYS[1], route, 'EX', ARGV[2])
return route
