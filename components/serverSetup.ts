/**
 * What a server must have from its first start, because it cannot be changed without a restart or
 * a new initdb: page checksums, no trust even on loopback (a port-forward arrives there), logical
 * decoding for upgrades and statement statistics for the rehearsal. Neither statistics nor the
 * log of the superuser's errors keep utility statements: CREATE ROLE carries a password.
 */
export const initdbArguments =
  "--data-checksums --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8";
export const serverParameters = {
  wal_level: "logical",
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track_utility": "off",
  password_encryption: "scram-sha-256",
};

/**
 * What the pooler needs to let any role in without knowing its password: the role's SCRAM
 * verifier. In template1, so that every database made from it has it.
 *
 * Volumes that can be snapshotted copy what is written: a new file of the log filled with zeros reserves
 * nothing there, and all who commit wait for its 16 MB (runtime-config-wal, wal_init_zero).
 */
export const initScript = `set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname template1 <<'SQL'
\\getenv password POOLER_PASSWORD
alter role postgres set log_min_error_statement = panic;
alter system set wal_init_zero = off;
create extension pg_stat_statements;
create role pooler login password :'password';
create schema pooler authorization postgres;
create function pooler.verifier_of(inout role name, out verifier text) returns record
  language sql security definer set search_path = pg_catalog
  as 'select rolname, rolpassword from pg_authid where rolname = $1 and rolcanlogin and not rolsuper';
revoke all on schema pooler from public;
revoke all on function pooler.verifier_of(name) from public;
grant usage on schema pooler to pooler;
grant execute on function pooler.verifier_of(name) to pooler;
SQL
`;
