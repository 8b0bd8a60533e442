-- Take a gateway out of a user's route. KEYS[1] the route, ARGV[1] the gateway.
local route = redis.call('GET', KEYS[1])
if not route then
    return 0
end
local kept = {}
for gateway in string.gmatch(route, '[^,]+') do
    if gateway ~= ARGV[1] then
        kept[#kept + 1] = gateway
    end
end
if #kept == 0 then
    return redis.call('DEL', KEYS[1])
end
redis.call('SET', KEYS[1], table.concat(kept, ','), 'KEEPTTL')
return 0
