-- BBQ Bookkeeper 1.0.0: what is on the menu, what is in stock, and in which warehouse.
--
-- Table privileges are not granted here: the default privileges declared for the owner's tables give
-- them to the application's group role, and a plain database without that role migrates just as well.

CREATE TABLE public.menu (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item text NOT NULL,
  CONSTRAINT menu_item_key UNIQUE (item),
  CONSTRAINT menu_item_check CHECK (length(item) <= 200 AND btrim(item) <> '')
);

-- A location is a name as people wrote it ('Boston, MA', 'Boston , GA', 'Austin') and is kept byte for
-- byte: two spellings are two warehouses.
CREATE TABLE public.warehouses (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  location text NOT NULL,
  contact_name text,
  contact_email text,
  contact_phone text,
  CONSTRAINT warehouses_location_key UNIQUE (location),
  CONSTRAINT warehouses_location_check CHECK (length(location) <= 200 AND btrim(location) <> ''),
  CONSTRAINT warehouses_contact_name_check CHECK (length(contact_name) <= 200),
  CONSTRAINT warehouses_contact_email_check
    CHECK (length(contact_email) <= 254 AND contact_email LIKE '_%@_%'),
  CONSTRAINT warehouses_contact_phone_check CHECK (length(contact_phone) <= 40)
);

-- warehouse_name is the location of a warehouse, by name and without a foreign key: the application
-- keeps the two equal by locking the warehouse's row in every transaction that writes the name.
-- unit_price is in US dollars and NULL while nobody has set a price.
CREATE TABLE public.inventory (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  quantity integer NOT NULL,
  unit_price numeric(12, 2),
  warehouse_name text NOT NULL,
  date_added date NOT NULL DEFAULT current_date,
  -- Kept, because taking names apart for every row looked at costs a search of a common word most of its time.
  words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED,
  CONSTRAINT inventory_name_check CHECK (length(name) <= 200 AND btrim(name) <> ''),
  CONSTRAINT inventory_quantity_check CHECK (quantity >= 0),
  CONSTRAINT inventory_unit_price_check CHECK (unit_price >= 0)
);

-- The page's list, whole and by warehouse, in the order of names, a page at a time; the newest first;
-- and search by the first letters of words. No index holds quantity, so that an update of it alone
-- touches no index at all.
CREATE INDEX inventory_name_idx ON public.inventory (name, id);
CREATE INDEX inventory_warehouse_name_idx ON public.inventory (warehouse_name, name, id);
CREATE INDEX inventory_date_added_idx ON public.inventory (date_added, id);
CREATE INDEX inventory_words_idx ON public.inventory USING gin (words);

-- One row for each write that carried an Idempotency-Key, inserted in the write's own transaction: the
-- write and its receipt exist both or neither, so a client that lost the answer may ask again and gets
-- the first answer. A column on inventory could not do this: one write may touch two rows, or delete
-- its row. Receipts hold ids and quantities only. request_hash is of the whole request, contacts
-- included: leave this table out of copies for other eyes.
CREATE TABLE public.applied_requests (
  token uuid PRIMARY KEY,
  request_hash bytea NOT NULL,
  receipt json NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applied_requests_applied_at_idx ON public.applied_requests (applied_at);
