SET LOCAL ROLE msaas_owner;

-- Statements about rights change the catalogue only, and wait for no reader or writer.
REVOKE UPDATE ON identity.users, identity.api_keys, identity.flags, identity.broker_epoch,
  identity.audit_outbox FROM svc_gateway;

GRANT UPDATE (last_seen_at, plan, plan_version) ON identity.users TO svc_gateway;

GRANT UPDATE (last_used_at, expires_at, revoked_at, replaced_by) ON identity.api_keys TO svc_gateway;

GRANT UPDATE (value, changed_by) ON identity.flags TO svc_gateway;

GRANT UPDATE (epoch, handled_at) ON identity.broker_epoch TO svc_gateway;

GRANT UPDATE (sent_at) ON identity.audit_outbox TO svc_gateway;

RESET ROLE;
