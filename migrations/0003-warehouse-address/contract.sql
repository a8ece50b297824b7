-- Until now a release that knows nothing of cities could have left one out.
ALTER TABLE public.warehouses ALTER COLUMN city SET NOT NULL;
