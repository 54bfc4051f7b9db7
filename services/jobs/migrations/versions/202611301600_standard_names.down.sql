-- squawk-ignore-file renaming-table, renaming-column, renaming-object
ALTER INDEX jobs.jobs_dispatched RENAME TO jobs_on_their_way;

ALTER INDEX jobs.jobs_by_wake_at RENAME TO jobs_by_waking;

ALTER INDEX jobs.jobs_by_dispatch_order RENAME TO jobs_by_turn;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_idempotency_complete TO jobs_idempotency_is_whole;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_unfinished_have_payload TO jobs_keep_their_payload;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_reserved_only_unfinished TO jobs_end_settles;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_finished_at_matches_status TO jobs_end_has_its_time;

ALTER TABLE jobs.jobs RENAME COLUMN decided_by_fence TO decided_by;

ALTER TABLE jobs.jobs RENAME COLUMN last_retry_id TO last_retry;

ALTER INDEX jobs.dead_letter_replays_one_pending RENAME TO dead_letter_replays_one_wanted;

ALTER TABLE jobs.dead_letter_replays RENAME CONSTRAINT dead_letter_replays_replayed_by_command TO dead_letter_replays_done_by_a_command;

ALTER TABLE jobs.dead_letter_replays RENAME COLUMN requested_by TO asked_by;

ALTER TABLE jobs.dead_letter_replays RENAME COLUMN dead_letter_id TO letter_id;

ALTER TABLE jobs.broker_epoch RENAME CONSTRAINT broker_epoch_is_one_row TO wire_epoch_is_one_row;

ALTER TABLE jobs.broker_epoch RENAME CONSTRAINT broker_epoch_pkey TO wire_epoch_pkey;

ALTER TABLE jobs.broker_epoch RENAME COLUMN republished_at TO served_at;

ALTER TABLE jobs.broker_epoch RENAME TO wire_epoch;
