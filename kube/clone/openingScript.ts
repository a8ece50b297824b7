/** Where the official image keeps its data, and where our servers put theirs on the volume. */
export const volumePath = "/var/lib/postgresql/data";
const dataFolder = `${volumePath}/pgdata`;
export const socketsPath = "/sockets";
export const verifiersPath = "/verifiers";
/** Key of the Secret that holds `{role: verifier}`. */
export const verifiersKey = "verifiers.json";

/**
 * What the server in quarantine runs with, whatever production's own files say: it is reached by a
 * socket alone, starts nothing that production's extensions would start, archives nothing and
 * follows nobody. wal_level and room for slots stay, or production's slots would stop the start.
 * It logs no statement: one of them sets password verifiers.
 */
const settings = {
  listen_addresses: "",
  unix_socket_directories: socketsPath,
  hba_file: "/tmp/pg_hba.conf",
  external_pid_file: "",
  ssl: "off",
  wal_level: "logical",
  max_replication_slots: "1000",
  max_logical_replication_workers: "0",
  archive_mode: "off",
  shared_preload_libraries: "",
  session_preload_libraries: "",
  local_preload_libraries: "",
  autovacuum: "off",
  shared_buffers: "64MB",
  huge_pages: "off",
  logging_collector: "off",
  log_destination: "stderr",
  log_statement: "none",
  log_min_duration_statement: "-1",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/**
 * What ALTER SYSTEM has set in production and cannot hold for a clone, or would reach production from
 * it: a clone's WAL in production's archive, commits that wait for production's standbys.
 */
const forgottenSettings = [
  "archive_.*",
  "restore_command",
  "recovery_.*",
  "primary_.*",
  "synchronous_standby_names",
  "ssl.*",
  ".*_preload_libraries",
  "cluster_name",
  "listen_addresses",
  "port",
  "unix_socket_.*",
  "bonjour.*",
  "(hba|ident|external_pid)_file",
  "krb_.*",
];

/** Said in their place, since production's postgresql.conf and what that includes may say it too. */
const clonesSettings = {
  archive_mode: "off",
  synchronous_standby_names: "",
  ssl: "off",
  session_preload_libraries: "",
  local_preload_libraries: "",
};

/** Foreign servers stay, their passwords go: by hand, for DROP would call production's event triggers. */
const forgetMappings = `delete from pg_user_mapping;
delete from pg_depend where classid = 'pg_user_mapping'::regclass;
delete from pg_shdepend where classid = 'pg_user_mapping'::regclass
  and dbid = (select oid from pg_database where datname = current_database());
`;

/**
 * Slots would keep WAL for ever, and subscriptions would connect to production's publishers. Logins
 * of releases go, also those that a contract has closed; whoever remains gets the password its new
 * home has for it, or none and no login.
 */
const sanitise = String.raw`\set ON_ERROR_STOP on
\set VERBOSITY terse
\set SHOW_CONTEXT never
\set verifiers ${"`"}cat ${verifiersPath}/${verifiersKey}${"`"}
\set dropped ${"`"}printenv LOGIN_ROLES_TO_DROP${"`"}
select set_config('clone.verifiers', :'verifiers', false), set_config('clone.dropped', :'dropped', false) \g /dev/null
do $body$
declare
  verifiers jsonb := current_setting('clone.verifiers');
  dropped text := current_setting('clone.dropped');
  missing text;
  name name;
begin
  select string_agg(quote_ident(key), ', ') into missing
    from jsonb_object_keys(verifiers) as key
    where not exists (select from pg_roles where rolname = key);
  if missing is not null then
    raise exception 'production has no role %, for which there is a password', missing;
  end if;
  perform pg_drop_replication_slot(slot_name) from pg_replication_slots;
  update pg_subscription set subenabled = false, subconninfo = '', subslotname = null;
  for name in select rolname from pg_authid
    where dropped <> '' and starts_with(rolname, dropped) and not rolsuper
      and (rolcanlogin or rolpassword is not null)
      and not verifiers ? rolname::text
  loop
    execute format('drop role %I', name);
  end loop;
  for name in select rolname from pg_authid where rolcanlogin or rolpassword is not null loop
    if verifiers ? name::text then
      execute format('alter role %I login password %L valid until ''infinity''', name, verifiers ->> name::text);
    else
      execute format('alter role %I nologin password null', name);
    end if;
  end loop;
end $body$;
`;

/**
 * The shell script of the Job that opens raw data: recover, sanitise, stop cleanly. On success its
 * last words are three times in seconds of uptime: mounted, open, stopped.
 * @param seconds how long the recovery may take
 */
export function openingScript(seconds: number): string {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
  const kept = Object.entries(clonesSettings).map(([name, value]) => `${name} = '${value}'\\n`);
  return `set -eu
data=${dataFolder}
uptime() { cut -d' ' -f1 /proc/uptime; }
fail() { echo "$1" >&2; grep -hE 'ERROR|FATAL|PANIC' /tmp/log /tmp/psql 2>/dev/null | tail -n 5 >&2 || true; exit 1; }
mounted=$(uptime)
[ -f "$data/PG_VERSION" ] || fail "There is no database in the folder pgdata of the volume."
[ ! -e "$data/standby.signal" ] || fail "The volume is a standby's: name the claim of the primary."
# The process it names ran on another machine; here the number may be anybody's.
rm -f "$data/postmaster.pid"
echo 'local all all trust' >/tmp/pg_hba.conf
# One setting a line: a value of ALTER SYSTEM has no line breaks.
grep -viE '^ *(${forgottenSettings.join("|")}) *=' "$data/postgresql.auto.conf" >/tmp/auto.conf || true
printf "${kept.join("")}" | cat /tmp/auto.conf - >"$data/postgresql.auto.conf"
sync "$data/postgresql.auto.conf"
options="${options.join(" ")}"
# A login trigger would run in our session.
[ "$(cat "$data/PG_VERSION")" -lt 17 ] || options="$options -c event_triggers=off"
pg_ctl start -D "$data" -w -t ${seconds} -l /tmp/log -o "$options" >/dev/null || fail "The server does not start on production's data."
export PGHOST=${socketsPath} PGUSER=postgres PGDATABASE=template1
export PGOPTIONS='-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 -c search_path=pg_catalog'
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@" 2>>/tmp/psql; }
forget() { fail "The passwords of production for foreign servers could not be dropped."; }
# A mapping lies in its own database, also in one that lets nobody in, and holds its role.
closed=$(sql -c "select coalesce(array_agg(oid), '{}') from pg_database where not datallowconn and datname <> 'template0'") || forget
sql -c "update pg_database set datallowconn = true where oid = any ('$closed')" || forget
sql -c "select datname from pg_database where datallowconn and datconnlimit <> -2" >/tmp/databases || forget
while IFS= read -r name; do
  PGDATABASE=$name sql -f - >/dev/null <<'SQL' || forget
${forgetMappings}SQL
done </tmp/databases
sql -c "update pg_database set datallowconn = false where oid = any ('$closed')" || forget
sql -f - >>/tmp/psql <<'SQL' || fail "The passwords of production could not be replaced."
${sanitise}SQL
open=$(uptime)
# A fast stop writes the last checkpoint.
pg_ctl stop -D "$data" -w -t ${seconds} -m fast >/dev/null || fail "The server does not stop."
echo "$mounted $open $(uptime)" >/dev/termination-log
`;
}
