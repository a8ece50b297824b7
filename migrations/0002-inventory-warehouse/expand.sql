-- inventory refers to its warehouse by id, beside the name that release 1.0.0 goes on writing.
-- sync.yaml keeps the two in step, fills the rows that are there and then builds the index.

ALTER TABLE public.inventory ADD COLUMN warehouse_id bigint;
