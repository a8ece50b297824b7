-- Warehouses get a city and a state, read from the location that people typed: 'Boston , GA' is
-- Boston in GA, 'Austin' is a city without a state. The location itself stays as it is, to the byte.

BEGIN;
CREATE SCHEMA bbq;
GRANT USAGE ON SCHEMA bbq TO PUBLIC;

-- The state is what follows the last comma, if that is two letters. NULL where there is no city.
CREATE FUNCTION bbq.state_of(location text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN upper(substring(location FROM '^.*\S.*,\s*([A-Za-z]{2})\s*$') COLLATE "C");

-- The city is what precedes the state, or all of it. NULL where nothing is left of it.
CREATE FUNCTION bbq.city_of(location text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN nullif(
    regexp_replace(
      regexp_replace(location, ',\s*[A-Za-z]{2}\s*$', ''), '^\s+|\s+$', '', 'g'), '');

-- What is written comes back when it is put together into a location and read again. One character
-- more than a location may have, for ', ' where somebody typed ','.
ALTER TABLE public.warehouses
  ADD COLUMN city text,
  ADD COLUMN state text,
  ADD CONSTRAINT warehouses_state_check CHECK (state ~ '^[A-Z]{2}$') NOT VALID,
  ADD CONSTRAINT warehouses_address_check CHECK (
    length(concat_ws(', ', city, state)) <= 201
    AND bbq.city_of(concat_ws(', ', city, state)) IS NOT DISTINCT FROM city
    AND bbq.state_of(concat_ws(', ', city, state)) IS NOT DISTINCT FROM state) NOT VALID;
COMMIT;

BEGIN;
ALTER TABLE public.warehouses
  VALIDATE CONSTRAINT warehouses_state_check,
  VALIDATE CONSTRAINT warehouses_address_check;
COMMIT;

CREATE INDEX CONCURRENTLY warehouses_state_city_idx ON public.warehouses (state, city);
