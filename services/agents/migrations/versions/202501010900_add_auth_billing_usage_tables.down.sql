DROP VIEW
  api_v1.agent_runs, api_v1.agent_steps, api_v1.agent_approvals, api_v1.agent_documents;

DROP TABLE
  agents.tool_calls, agents.steps, agents.sightings, agents.llm_calls, agents.frame_outbox,
  agents.checkpoints, agents.checkpoint_writes, agents.checkpoint_blobs, agents.approvals,
  agents.spend_days, agents.runs, agents.memories, agents.documents, agents.broker_epoch;

DROP FUNCTION agents.touch();
