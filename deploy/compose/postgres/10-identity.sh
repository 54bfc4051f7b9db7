#!/bin/sh
# Creates the database of the identity stand-in, with a login of its own, when the volume is new.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$SVC_IDENTITY_PASSWORD" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE svc_identity LOGIN PASSWORD :'password';
CREATE DATABASE identity OWNER svc_identity;
SQL
