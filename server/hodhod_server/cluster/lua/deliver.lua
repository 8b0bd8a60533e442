-- Publish pushes to the gateways where their people are: one batch (batches.py) for each.
-- KEYS the routes, audience after audience. ARGV[1] the sender, [2] what channels begin with,
-- [3] how many audiences; for each of them how many routes it has, and its entry in a batch;
-- then for each push the number of its audience, and the push. Audience 0 is everybody.
local sender, prefix = ARGV[1], ARGV[2]
local targets, batches = {}, {}

-- A batch goes to each gateway in turn; everybody is aimed at last, so broadcasts follow the rest.
local function aim(audience, gateway, entry)
    local batch = batches[gateway]
    if not batch then
        batch = {gateway = gateway, audiences = {}, pushes = {}}
        batches[gateway], batches[#batches + 1] = batch, batch
    end
    batch.audiences[#batch.audiences + 1] = entry
    targets[audience][#targets[audience] + 1] = batch
end

-- The head of a map (0x80, 0xde) or an array (0x90, 0xdc) in MessagePack, and what it holds.
local function packed(short, long, members)
    local count = #members
    local head = count < 16 and string.char(short + count)
        or string.char(long, math.floor(count / 256), count % 256)
    return head .. table.concat(members)
end

local at, first = 4, 1
for number = 1, tonumber(ARGV[3]) do
    local audience, last, seen = tostring(number), first + ARGV[at] - 1, {[sender] = true}
    targets[audience] = {}
    for _, route in ipairs(redis.call('MGET', unpack(KEYS, first, last))) do
        if route and not seen[route] then
            for gateway in string.gmatch(route, '[^,]+') do
                if not seen[gateway] then
                    seen[gateway] = true
                    aim(audience, gateway, ARGV[at + 1])
                end
            end
            seen[route] = true
        end
    end
    at, first = at + 2, last + 1
end

for place = at, #ARGV, 2 do
    local audience = ARGV[place]
    if not targets[audience] then
        targets[audience] = {}
        aim(audience, 'everybody')
    end
    for _, batch in ipairs(targets[audience]) do
        batch.pushes[#batch.pushes + 1] = ARGV[place + 1]
    end
end

for _, batch in ipairs(batches) do
    local payload = '\148\165batch' .. cmsgpack.pack(sender)
        .. packed(0x80, 0xde, batch.audiences) .. packed(0x90, 0xdc, batch.pushes)
    if redis.call('PUBLISH', prefix .. batch.gateway, payload) == 0 then
        for _, key in ipairs(KEYS) do
            forget(key, batch.gateway)
        end
    end
end
