#!/bin/sh
# Writes the users of the contracts with the hashes of their passwords, then starts Redis. A user whose password is not
# given stays disabled.
set -eu
umask 077
while read -r word name state rest; do
    variable="REDIS_$(printf %s "$name" | tr 'a-z-' 'A-Z_')_PASSWORD"
    eval "password=\${$variable:-}"
    if [ "$name" != default ] && [ -n "$password" ]; then
        state="on #$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)"
    fi
    printf '%s %s %s %s\n' "$word" "$name" "$state" "$rest"
done < /etc/msaas/users.acl > /tmp/users.acl
exec redis-server --aclfile /tmp/users.acl --dir /data --appendonly yes --appendfsync everysec \
    --save '' --maxmemory-policy noeviction
