#!/bin/bash
# PostgreSQL for the MLflow server: makes the database in $DATABASE if there is none, and serves it until it is told to end.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
: "${PGPASSWORD:?expected the password of the database user mlflow}"
programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)  # Debian's package postgresql

user=()
if [ "$(id -u)" = 0 ]; then user=(setpriv --reuid=postgres --regid=postgres --init-groups); fi  # it refuses to be root

if [ ! -e "$DATABASE/PG_VERSION" ]; then
  password=$(mktemp)
  trap 'rm -f "$password"' EXIT
  echo "$PGPASSWORD" > "$password"
  mkdir -p "$DATABASE"
  if [ "$(id -u)" = 0 ]; then chown postgres "$DATABASE" "$password"; fi
  "${user[@]}" "$programs/initdb" --pgdata="$DATABASE" --username=mlflow --auth=scram-sha-256 --pwfile="$password" --encoding=UTF8
  echo "CREATE DATABASE mlflow" | "${user[@]}" "$programs/postgres" --single -D "$DATABASE" postgres
  rm -f "$password"
fi
# For this machine alone: only the MLflow server asks it.
exec "${user[@]}" "$programs/postgres" -D "$DATABASE" -h 127.0.0.1 -p "$PGPORT" -k ""
