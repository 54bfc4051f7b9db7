SET LOCAL ROLE msaas_owner;

-- This revokes the grants on columns too.
REVOKE UPDATE ON identity.users, identity.api_keys, identity.flags, identity.broker_epoch,
  identity.audit_outbox FROM svc_gateway;

GRANT UPDATE ON identity.users, identity.api_keys, identity.flags, identity.broker_epoch,
  identity.audit_outbox TO svc_gateway;

RESET ROLE;
