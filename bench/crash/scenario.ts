/** Login of a release that knows only the old shape; nobody uses it here. */
export const oldRole = "old_release";

/** What is there before the first migration; a template for every cell's database. */
export const before = `
CREATE TABLE stock (id integer PRIMARY KEY, label text NOT NULL, quantity integer NOT NULL);
INSERT INTO stock SELECT n, 'City ' || n % 97 || ' , GA', n % 13 FROM generate_series(1, 3000) AS n;
CREATE INDEX stock_old ON stock (quantity);
CREATE TYPE mood AS ENUM ('glad');
CREATE TABLE readings (year integer NOT NULL, value integer) PARTITION BY LIST (year);
CREATE TABLE readings_2024 PARTITION OF readings FOR VALUES IN (2024);
CREATE TABLE readings_2025 PARTITION OF readings FOR VALUES IN (2025);
INSERT INTO readings SELECT 2024 + n % 2, n FROM generate_series(1, 100) AS n;
CREATE VIEW stock_list AS SELECT id, label, quantity FROM stock;
CREATE VIEW empty_stock AS SELECT id FROM stock_list WHERE quantity = 0;
ANALYZE;`;

/**
 * Migrations with a step of every kind: DDL and data in a transaction, an update that may not
 * happen twice, each kind of statement that runs alone, VALIDATE, columns kept in step, contract,
 * statements that are carried out in parts, and views that are dropped and made again.
 */
export const migrations: Readonly<Record<string, string>> = {
  "0001-notes.sql": `CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL);
INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 200) AS n;
CREATE INDEX notes_body ON notes (body);`,
  "0002-count-again.sql": "UPDATE stock SET quantity = quantity + 1;",
  "0003-alone.sql": `CREATE INDEX CONCURRENTLY stock_quantity ON stock (quantity);
REINDEX INDEX CONCURRENTLY stock_pkey;
DROP INDEX CONCURRENTLY stock_old;
ALTER TABLE readings DETACH PARTITION readings_2024 CONCURRENTLY;
ALTER TYPE mood ADD VALUE 'calm';
VACUUM notes;
INSERT INTO notes VALUES (1000, 'calm'::mood::text);`,
  "0004-validate.sql": `BEGIN;
ALTER TABLE stock ADD CONSTRAINT stock_quantity_check CHECK (quantity >= 0) NOT VALID;
COMMIT;
BEGIN;
ALTER TABLE stock VALIDATE CONSTRAINT stock_quantity_check;
COMMIT;`,
  "0005-city/expand.sql": `CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
CREATE FUNCTION shop.city_of(label text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN nullif(btrim(split_part(label, ',', 1)), '');
CREATE FUNCTION shop.state_of(label text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN nullif(btrim(split_part(label, ',', 2)), '');
ALTER TABLE stock ADD COLUMN city text, ADD COLUMN state text;`,
  "0005-city/sync.yaml": `kind: columns
table: public.stock
old: [label]
new: [city, state]
forward:
  city: shop.city_of(label)
  state: shop.state_of(label)
reverse:
  label: concat_ws(', ', city, state)
rejects: block
`,
  "0005-city/checks/filled.sql": "SELECT id FROM stock WHERE city IS NULL;",
  "0005-city/contract.sql": "ALTER TABLE stock ALTER COLUMN city SET NOT NULL;",
  "0006-in-parts.sql": `ALTER TABLE readings ALTER COLUMN value SET NOT NULL;
CREATE INDEX ON readings (value);
ALTER TABLE stock ADD CONSTRAINT stock_pair UNIQUE (id, quantity);`,
  "repeatable/stock-list.sql":
    "CREATE OR REPLACE VIEW stock_list AS SELECT id, quantity FROM stock;",
  "repeatable/empty-stock.sql":
    "CREATE OR REPLACE VIEW empty_stock AS SELECT id FROM stock_list WHERE quantity = 0;",
};
