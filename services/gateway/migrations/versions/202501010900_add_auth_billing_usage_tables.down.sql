-- Roles, extensions and auth.* stay: they may be another's. A chain that still builds on this one
-- is refused here by its foreign keys and views.
DROP VIEW api_v1.me;

DROP SCHEMA api_v1;

DROP TABLE identity.wire_epoch, identity.flags, identity.api_keys, identity.users;

DROP FUNCTION identity.touch();
