-- Publish pushes to the gateways where their people are: one batch (batches.py) for each.
-- KEYS the routes, audience after audience. ARGV[1] the sender, [2] what channels begin with,
-- [3] how many audiences; for each of them how many routes it has, and its entry in a batch; then
-- the pushes: arrays in MessagePack that begin with an audience's number. Audience 0 is everybody.
local sender, prefix = ARGV[1], ARGV[2]
local batches, by_gateway, by_route, targets = {}, {}, {}, {}

local function open(gateway)
    local batch = {gateway = gateway, audiences = 0, pushes = 0, parts = {''}}
    by_gateway[gateway], batches[#batches + 1] = batch, batch
    return batch
end

local function read(route)
    local found = {}
    for gateway in string.gmatch(route, '[^,]+') do
        if gateway ~= sender then
            found[#found + 1] = by_gateway[gateway] or open(gateway)
        end
    end
    by_route[route] = found
    return found
end

-- The head of a map (0x80, 0xde) or an array (0x90, 0xdc) in MessagePack.
local function head(short, long, count)
    if count < 16 then
        return string.char(short + count)
    end
    return string.char(long, math.floor(count / 256), count % 256)
end

local routes = KEYS[1] and redis.call('MGET', unpack(KEYS)) or {}
local at, before = 4, 0
for audience = 1, tonumber(ARGV[3]) do
    local size, entry, aimed = tonumber(ARGV[at]), ARGV[at + 1], {}
    for place = before + 1, before + size do
        local route = routes[place]
        if route then
            for _, batch in ipairs(by_route[route] or read(route)) do
                if batch.latest ~= audience then
                    batch.latest = audience
                    batch.audiences = batch.audiences + 1
                    batch.parts[batch.audiences + 1] = entry
                    aimed[#aimed + 1] = batch
                end
            end
        end
    end
    targets[audience] = aimed
    at, before = at + 2, before + size
end
targets[0] = {open('everybody')} -- as the last: broadcasts follow the rest
for _, batch in ipairs(batches) do
    batch.parts[batch.audiences + 2] = '' -- where the second head will be
end

-- A batch is joined once: its parts are a head, the entries, a head, and the pushes.
for place = at, #ARGV do
    local push = ARGV[place]
    for _, batch in ipairs(targets[string.byte(push, 2)]) do
        batch.pushes = batch.pushes + 1
        batch.parts[batch.audiences + 2 + batch.pushes] = push
    end
end

for _, batch in ipairs(batches) do
    if batch.pushes > 0 then
        local parts = batch.parts
        parts[1] = '\148\165batch' .. cmsgpack.pack(sender) .. head(0x80, 0xde, batch.audiences)
        parts[batch.audiences + 2] = head(0x90, 0xdc, batch.pushes)
        if redis.call('PUBLISH', prefix .. batch.gateway, table.concat(parts)) == 0 then
            for _, key in ipairs(KEYS) do
                forget(key, batch.gateway)
            end
        end
    end
end
