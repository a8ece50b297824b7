/** A statement form, with what it needs beside the scene. */
interface LockForm {
  readonly sql: string;
  readonly setup?: string;
  /** It reads what its conditions make it read. */
  readonly ofRows?: boolean;
  /** PostgreSQL 18 looks the table up under ACCESS SHARE, which nobody but a dropper waits for. */
  readonly looksUpSince18?: string;
}

/** Tables with rows, as every form meets them. */
export const scene = `
  CREATE SCHEMA s;
  SET search_path = s;
  CREATE TABLE parent (id int PRIMARY KEY, code text, UNIQUE (code));
  CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent, name varchar(20) NOT NULL,
    note text, price numeric(8, 2), made timestamp(3), made_tz timestamptz, short char(5), n int,
    CONSTRAINT n_positive CHECK (n > 0));
  INSERT INTO parent SELECT g, 'c' || g FROM generate_series(1, 50) g;
  INSERT INTO child SELECT g, g, 'n' || g, 't', g, now(), now(), 'x', g FROM generate_series(1, 50) g;
  CREATE INDEX child_name ON child (name);
  CREATE TABLE part (id int NOT NULL, at date NOT NULL, v int) PARTITION BY RANGE (at);
  CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE part_rest PARTITION OF part DEFAULT;
  INSERT INTO part SELECT g, date '2026-01-01' + g, g FROM generate_series(1, 80) g;
  CREATE TABLE lone (id int NOT NULL, at date NOT NULL, v int);
  INSERT INTO lone SELECT g, date '2026-06-01', g FROM generate_series(1, 20) g;
  CREATE VIEW seen AS SELECT id FROM child;
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM child;
  CREATE SEQUENCE numbers;
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER touched BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION f();
  CREATE DOMAIN plain_text AS text;
  CREATE DOMAIN good_text AS text CHECK (VALUE <> '');
`;

const notNullCheck = "ALTER TABLE child ADD CONSTRAINT note_is CHECK (note IS NOT NULL);";

export const forms: readonly LockForm[] = [
  { sql: "ALTER TABLE child ADD COLUMN x int" },
  { sql: "ALTER TABLE child ADD COLUMN x int NOT NULL DEFAULT 5" },
  { sql: "ALTER TABLE child ADD COLUMN x timestamptz DEFAULT now()" },
  { sql: "ALTER TABLE child ADD COLUMN x timestamptz DEFAULT clock_timestamp()" },
  { sql: "ALTER TABLE child ADD COLUMN x uuid DEFAULT gen_random_uuid()" },
  { sql: "ALTER TABLE child ADD COLUMN x serial" },
  { sql: "ALTER TABLE child ADD COLUMN x int GENERATED ALWAYS AS IDENTITY" },
  { sql: "ALTER TABLE child ADD COLUMN x int GENERATED ALWAYS AS (n + 1) STORED" },
  { sql: "ALTER TABLE child ADD COLUMN x plain_text" },
  { sql: "ALTER TABLE child ADD COLUMN x good_text" },
  { sql: "ALTER TABLE child ADD COLUMN x int REFERENCES parent" },
  { sql: "ALTER TABLE child ADD COLUMN x int DEFAULT 1 REFERENCES parent" },
  { sql: "ALTER TABLE child ADD COLUMN x int CHECK (x > 0)" },
  { sql: "ALTER TABLE child ADD COLUMN x int UNIQUE" },
  { sql: "ALTER TABLE child DROP COLUMN note" },
  { sql: "ALTER TABLE child DROP COLUMN parent_id" },
  { sql: "ALTER TABLE child ALTER COLUMN name TYPE varchar(40)" },
  { sql: "ALTER TABLE child ALTER COLUMN name TYPE varchar(10)" },
  { sql: "ALTER TABLE child ALTER COLUMN name TYPE text" },
  { sql: "ALTER TABLE child ALTER COLUMN name TYPE text USING name::text" },
  { sql: "ALTER TABLE child ALTER COLUMN name TYPE text USING lower(name)" },
  { sql: "ALTER TABLE child ALTER COLUMN note TYPE varchar" },
  { sql: "ALTER TABLE child ALTER COLUMN note TYPE varchar(30)" },
  { sql: "ALTER TABLE child ALTER COLUMN note TYPE plain_text" },
  { sql: "ALTER TABLE child ALTER COLUMN note TYPE good_text" },
  { sql: "ALTER TABLE child ALTER COLUMN price TYPE numeric(10, 2)" },
  { sql: "ALTER TABLE child ALTER COLUMN price TYPE numeric(10, 3)" },
  { sql: "ALTER TABLE child ALTER COLUMN price TYPE numeric" },
  { sql: "ALTER TABLE child ALTER COLUMN made TYPE timestamp(6)" },
  { sql: "ALTER TABLE child ALTER COLUMN made TYPE timestamp(0)" },
  { sql: "ALTER TABLE child ALTER COLUMN made_tz TYPE timestamp" },
  { sql: "ALTER TABLE child ALTER COLUMN short TYPE text" },
  { sql: "ALTER TABLE child ALTER COLUMN id TYPE bigint", setup: "DROP VIEW seen" },
  { sql: "ALTER TABLE child ALTER COLUMN parent_id TYPE bigint" },
  { sql: "ALTER TABLE parent ALTER COLUMN id TYPE bigint" },
  { sql: "ALTER TABLE child ALTER COLUMN n TYPE bigint USING n" },
  {
    sql: "ALTER TABLE child ALTER COLUMN note TYPE varchar",
    setup: "ALTER TABLE child ADD CHECK (note <> '')",
  },
  { sql: "ALTER TABLE child ALTER COLUMN note SET NOT NULL" },
  { sql: "ALTER TABLE child ALTER COLUMN note SET NOT NULL", setup: notNullCheck },
  { sql: "ALTER TABLE child ALTER COLUMN name SET NOT NULL" },
  { sql: "ALTER TABLE child ALTER COLUMN name DROP NOT NULL" },
  { sql: "ALTER TABLE child ALTER COLUMN note SET DEFAULT 'x'" },
  { sql: "ALTER TABLE child ALTER COLUMN note SET STATISTICS 500" },
  { sql: "ALTER TABLE child ALTER COLUMN note SET STORAGE EXTERNAL" },
  { sql: "ALTER TABLE child ALTER COLUMN note SET (n_distinct = 5)" },
  { sql: "ALTER TABLE child SET (fillfactor = 70)" },
  { sql: "ALTER TABLE child SET (autovacuum_enabled = false)" },
  { sql: "ALTER TABLE child ADD CONSTRAINT c CHECK (n < 1000)" },
  { sql: "ALTER TABLE child ADD CONSTRAINT c CHECK (n < 1000) NOT VALID" },
  { sql: "ALTER TABLE child ADD CONSTRAINT c UNIQUE (name)" },
  {
    sql: "ALTER TABLE child ADD CONSTRAINT c UNIQUE USING INDEX child_u",
    setup: "CREATE UNIQUE INDEX child_u ON child (name)",
  },
  { sql: "ALTER TABLE lone ADD PRIMARY KEY (id)" },
  { sql: "ALTER TABLE lone ADD PRIMARY KEY (v)" },
  {
    sql: "ALTER TABLE lone ADD PRIMARY KEY USING INDEX lone_u",
    setup: "CREATE UNIQUE INDEX lone_u ON lone (id)",
  },
  {
    sql: "ALTER TABLE lone ADD PRIMARY KEY USING INDEX lone_u",
    setup: "CREATE UNIQUE INDEX lone_u ON lone (v)",
  },
  { sql: "ALTER TABLE lone ADD EXCLUDE USING btree (id WITH =)" },
  { sql: "ALTER TABLE lone ADD FOREIGN KEY (v) REFERENCES parent" },
  { sql: "ALTER TABLE lone ADD FOREIGN KEY (v) REFERENCES parent NOT VALID" },
  {
    sql: "ALTER TABLE lone VALIDATE CONSTRAINT fk",
    setup: "ALTER TABLE lone ADD CONSTRAINT fk FOREIGN KEY (v) REFERENCES parent NOT VALID",
  },
  {
    sql: "ALTER TABLE child VALIDATE CONSTRAINT c",
    setup: "ALTER TABLE child ADD CONSTRAINT c CHECK (n < 1000) NOT VALID",
  },
  { sql: "ALTER TABLE child VALIDATE CONSTRAINT n_positive" },
  { sql: "ALTER TABLE child DROP CONSTRAINT n_positive" },
  { sql: "ALTER TABLE child DROP CONSTRAINT child_parent_id_fkey" },
  { sql: "ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE" },
  { sql: "ALTER TABLE child DISABLE TRIGGER touched" },
  { sql: "ALTER TABLE child ENABLE ALWAYS TRIGGER touched" },
  { sql: "ALTER TABLE child SET UNLOGGED" },
  { sql: "ALTER TABLE child REPLICA IDENTITY FULL" },
  { sql: "ALTER TABLE child ENABLE ROW LEVEL SECURITY" },
  { sql: "ALTER TABLE child CLUSTER ON child_name" },
  { sql: "ALTER TABLE child OWNER TO postgres" },
  { sql: "ALTER TABLE child RENAME COLUMN note TO remark" },
  { sql: "ALTER TABLE child RENAME TO kid" },
  { sql: "ALTER TABLE child RENAME CONSTRAINT n_positive TO n_above" },
  { sql: "ALTER TABLE child SET SCHEMA public" },
  { sql: "ALTER INDEX child_name RENAME TO child_label" },
  { sql: "ALTER INDEX child_name SET (fillfactor = 80)" },
  { sql: "ALTER TABLE part ADD COLUMN x int" },
  { sql: "ALTER TABLE part ALTER COLUMN v SET NOT NULL" },
  { sql: "ALTER TABLE ONLY part ALTER COLUMN v SET DEFAULT 1" },
  { sql: "ALTER TABLE part ALTER COLUMN v TYPE bigint" },
  { sql: "ALTER TABLE part ADD CONSTRAINT c CHECK (v > 0)" },
  { sql: "ALTER TABLE part ADD FOREIGN KEY (v) REFERENCES parent", setup: "UPDATE part SET v = 1" },
  {
    sql: "ALTER TABLE part ATTACH PARTITION lone FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')",
  },
  { sql: "ALTER TABLE part DETACH PARTITION part_1" },
  { sql: "CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM ('2027-03-01') TO ('2027-04-01')" },
  { sql: "CREATE TABLE heir (x int) INHERITS (lone)" },
  { sql: "ALTER TABLE heir INHERIT lone", setup: "CREATE TABLE heir (LIKE lone)" },
  { sql: "ALTER TABLE heir NO INHERIT lone", setup: "CREATE TABLE heir () INHERITS (lone)" },
  { sql: "CREATE TABLE made (id int PRIMARY KEY, parent_id int REFERENCES parent)" },
  { sql: "CREATE TABLE made (LIKE child)" },
  { sql: "CREATE TABLE made AS SELECT id FROM child WHERE false" },
  { sql: "CREATE INDEX i ON child (note)" },
  { sql: "CREATE UNIQUE INDEX i ON child (name) WHERE n > 3" },
  { sql: "CREATE INDEX i ON part (v)" },
  { sql: "CREATE INDEX i ON ONLY part (v)" },
  { sql: "DROP INDEX child_name" },
  { sql: "REINDEX TABLE child" },
  { sql: "REINDEX INDEX child_name" },
  { sql: "CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f()" },
  { sql: "DROP TRIGGER touched ON child" },
  { sql: "ALTER TRIGGER touched ON child RENAME TO moved" },
  { sql: "CREATE RULE r AS ON DELETE TO lone DO INSTEAD NOTHING" },
  { sql: "CREATE POLICY p ON child USING (true)" },
  { sql: "CREATE STATISTICS st ON name, note FROM child" },
  { sql: "COMMENT ON TABLE child IS 'x'" },
  { sql: "COMMENT ON COLUMN child.note IS 'x'" },
  { sql: "CREATE VIEW v AS SELECT id FROM child" },
  { sql: "CREATE OR REPLACE VIEW seen AS SELECT id FROM child" },
  { sql: "DROP VIEW seen" },
  { sql: "DROP TABLE lone" },
  { sql: "DROP TABLE part_1" },
  { sql: "DROP TABLE part" },
  { sql: "DROP TABLE child", setup: "DROP VIEW seen; DROP MATERIALIZED VIEW counted" },
  { sql: "DROP SEQUENCE numbers" },
  { sql: "ALTER SEQUENCE numbers INCREMENT 2" },
  { sql: "TRUNCATE lone" },
  { sql: "TRUNCATE part" },
  { sql: "TRUNCATE parent CASCADE" },
  { sql: "REFRESH MATERIALIZED VIEW counted" },
  { sql: "CLUSTER child USING child_name" },
  { sql: "ANALYZE child" },
  { sql: "LOCK TABLE child IN SHARE MODE" },
  { sql: "LOCK TABLE ONLY part IN ACCESS EXCLUSIVE MODE" },
  { sql: "LOCK TABLE part" },
  { sql: "INSERT INTO lone VALUES (1, '2026-01-01', 1)", ofRows: true },
  { sql: "UPDATE lone SET v = 1 WHERE id = -1", ofRows: true },
  { sql: "DELETE FROM lone WHERE id IN (SELECT -id FROM parent)", ofRows: true },
  { sql: "SELECT * FROM lone FOR UPDATE LIMIT 0", ofRows: true },
  { sql: "CREATE PUBLICATION pub FOR TABLE lone" },
  { sql: "GRANT SELECT ON lone TO public", looksUpSince18: "s.lone" },
  { sql: "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'" },
];
