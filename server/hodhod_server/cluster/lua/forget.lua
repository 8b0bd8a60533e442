-- Put before the scripts that need it: take a gateway out of one route, and leave its life as it is.
local function forget(key, gateway)
    local kept = {}
    for other in string.gmatch(redis.call('GET', key) or '', '[^,]+') do
        if other ~= gateway then
            kept[#kept + 1] = other
        end
    end
    if kept[1] then
        redis.call('SET', key, table.concat(kept, ','), 'KEEPTTL')
    else
        redis.call('DEL', key)
    end
end
