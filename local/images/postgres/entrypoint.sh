#!/bin/bash
# Keeps the contract of the official postgres image: the variables POSTGRES_PASSWORD(_FILE),
# POSTGRES_USER(_FILE), POSTGRES_DB(_FILE), POSTGRES_INITDB_ARGS, PGDATA, and the scripts in
# /docker-entrypoint-initdb.d, run once and in order. Three things differ: it never runs as root,
# an initialisation that was killed is begun again instead of being taken for a database, and
# scripts are never sourced.
set -Eeuo pipefail

scripts=/docker-entrypoint-initdb.d
draft="$PGDATA/.initialising"

say() { echo "postgres image: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# The value of a variable, or the content of the file that its _FILE twin names.
setting() {
  local name=$1 default=${2-} file="${1}_FILE"
  if [[ -n ${!name-} && -n ${!file-} ]]; then fail "$name and $file exclude each other"; fi
  if [[ -n ${!file-} ]]; then
    [[ -r ${!file} ]] || fail "$file names ${!file}, which cannot be read"
    printf '%s' "$(<"${!file}")"
  else
    printf '%s' "${!name:-$default}"
  fi
}

# Runs SQL on the private server that only the initialisation can reach.
sql() { PGPASSWORD=$password psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc -h "$draft" -U "$user" "$@"; }

initialise() {
  local password user database
  password=$(setting POSTGRES_PASSWORD)
  user=$(setting POSTGRES_USER postgres)
  database=$(setting POSTGRES_DB "$user")
  [[ -n $password ]] || fail "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set to create a database"
  # For scripts that use psql where local connections need a password, as in the official image.
  local -x PGPASSWORD=$password

  say "creating a database in $PGDATA"
  rm -rf "$draft"
  # A user's own arguments come last and win; they are words of a shell, as in the official image.
  eval 'initdb -D "$draft" --username="$user" --pwfile=<(printf "%s\n" "$password")' \
    '--auth-local=trust --auth-host=scram-sha-256' \
    '-c unix_socket_directories=/var/run/postgresql -c "listen_addresses=*"' \
    "${POSTGRES_INITDB_ARGS-}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$draft/pg_hba.conf"

  pg_ctl -D "$draft" -w start -o "-c listen_addresses='' -c unix_socket_directories='$draft'"
  if [[ $database != postgres ]]; then
    sql -d postgres -v database="$database" <<<'CREATE DATABASE :"database"'
  fi
  run_scripts "$database"
  pg_ctl -D "$draft" -m fast -w stop
  touch "$draft/.complete"
  sync
}

# Scripts run as programs of their own: unlike sourced ones, none can end or alter this one.
run_scripts() {
  local database=$1 file
  local surroundings=("POSTGRES_USER=$user" "POSTGRES_DB=$database"
    "PGHOST=$draft" "PGUSER=$user" "PGPASSWORD=$password" "PGDATABASE=$database")
  for file in "$scripts"/*; do
    [[ -e $file ]] || continue
    case $file in
      *.sh)
        say "running $file"
        if [[ -x $file ]]; then env "${surroundings[@]}" "$file"; else env "${surroundings[@]}" bash "$file"; fi
        ;;
      *.sql)
        say "running $file"
        sql -d "$database" -f "$file"
        ;;
      *.sql.gz)
        say "running $file"
        gunzip -c "$file" | sql -d "$database"
        ;;
      *) say "ignoring $file" ;;
    esac
  done
}

# PG_VERSION moves last: where it is, everything is.
move_into_place() {
  local entry
  for entry in "$draft"/* "$draft"/.[!.]*; do
    case ${entry##*/} in
      PG_VERSION | .complete | '*' | '.[!.]*') ;;
      *) mv "$entry" "$PGDATA/" ;;
    esac
  done
  sync
  mv "$draft/PG_VERSION" "$PGDATA/"
  rm -rf "$draft"
  sync
}

ensure_database() {
  [[ $(id -u) != 0 ]] || fail "must not run as root; the image's user is 999"
  mkdir -p "$PGDATA" || fail "$PGDATA cannot be created by uid $(id -u); give the volume an fsGroup"
  [[ -e $PGDATA/PG_VERSION ]] && return
  if [[ ! -e $draft ]] && [[ -n $(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found) ]]; then
    fail "$PGDATA holds files but no database; nothing was changed"
  fi
  chmod 0700 "$PGDATA"
  if [[ ! -e $draft/.complete ]]; then initialise; fi
  move_into_place
}

if [[ ${1-} == -* ]]; then set -- postgres "$@"; fi
if [[ ${1-} == postgres ]]; then
  ensure_database
  # Left by a kill in the very last step, after the database was whole.
  rm -rf "$draft"
  unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE
fi
exec "$@"
