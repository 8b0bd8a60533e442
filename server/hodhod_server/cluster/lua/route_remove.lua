-- Take a gateway out of users' routes. KEYS the routes, ARGV[1] the gateway.
for _, key in ipairs(KEYS) do
    forget(key, ARGV[1])
end
