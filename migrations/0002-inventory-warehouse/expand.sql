-- inventory refers to its warehouse by id, beside the name that release 1.0.0 goes on writing.
-- sync.yaml keeps the two in step and fills the rows that are there.

ALTER TABLE public.inventory ADD COLUMN warehouse_id bigint;

-- The list of one warehouse in the order of names, a page at a time: what
-- inventory_warehouse_name_idx is to release 1.0.0. It also finds the rows that follow a warehouse.
CREATE INDEX CONCURRENTLY inventory_warehouse_id_idx ON public.inventory (warehouse_id, name, id);
