-- Roles and extensions stay: they may be another's.
DROP VIEW api_v1.jobs, api_v1.job_attempts, api_v1.usage;

DROP TABLE
  jobs.wire_epoch, jobs.message_dead_letters, jobs.queue_stats, jobs.usage_events,
  jobs.usage_counters, jobs.job_attempts, jobs.jobs, jobs.subjects;

DROP FUNCTION
  jobs.touch, jobs.usage_hash, jobs.link_usage_event, jobs.keep_usage_event;
