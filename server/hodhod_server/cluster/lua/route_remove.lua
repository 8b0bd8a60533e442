-- Take a gateway out of users' routes. KEYS the routes, ARGV[1] the gateway.
for _, key in ipairs(KEYS) do
    local route = redis.call('GET', key)
    if route == ARGV[1] then
        redis.call('DEL', key)
    elseif route then
        local kept = {}
        for gateway in string.gmatch(route, '[^,]+') do
            if gateway ~= ARGV[1] then
                kept[#kept + 1] = gateway
            end
        end
        redis.call('SET', key, table.concat(kept, ','), 'KEEPTTL')
    end
end
