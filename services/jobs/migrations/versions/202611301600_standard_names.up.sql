-- squawk-ignore-file renaming-table, renaming-column, renaming-object
ALTER TABLE jobs.wire_epoch RENAME TO broker_epoch;

ALTER TABLE jobs.broker_epoch RENAME COLUMN served_at TO republished_at;

ALTER TABLE jobs.broker_epoch RENAME CONSTRAINT wire_epoch_pkey TO broker_epoch_pkey;

ALTER TABLE jobs.broker_epoch RENAME CONSTRAINT wire_epoch_is_one_row TO broker_epoch_is_one_row;

ALTER TABLE jobs.dead_letter_replays RENAME COLUMN letter_id TO dead_letter_id;

ALTER TABLE jobs.dead_letter_replays RENAME COLUMN asked_by TO requested_by;

ALTER TABLE jobs.dead_letter_replays RENAME CONSTRAINT dead_letter_replays_done_by_a_command TO dead_letter_replays_replayed_by_command;

ALTER INDEX jobs.dead_letter_replays_one_wanted RENAME TO dead_letter_replays_one_pending;

ALTER TABLE jobs.jobs RENAME COLUMN last_retry TO last_retry_id;

ALTER TABLE jobs.jobs RENAME COLUMN decided_by TO decided_by_fence;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_end_has_its_time TO jobs_finished_at_matches_status;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_end_settles TO jobs_reserved_only_unfinished;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_keep_their_payload TO jobs_unfinished_have_payload;

ALTER TABLE jobs.jobs RENAME CONSTRAINT jobs_idempotency_is_whole TO jobs_idempotency_complete;

ALTER INDEX jobs.jobs_by_turn RENAME TO jobs_by_dispatch_order;

ALTER INDEX jobs.jobs_by_waking RENAME TO jobs_by_wake_at;

ALTER INDEX jobs.jobs_on_their_way RENAME TO jobs_dispatched;
