#!/bin/sh
# Copies what the team's stack keeps into one folder: the databases, MLflow's artifacts, ablab's state.
#
#   deploy/backup.sh [FOLDER]      (default: backups/<UTC time>)
#
# The databases come first: an artifact that is written meanwhile may be too many, none is missing. The folder gets
# its name when it is complete. Without Docker, set ABLAB_POSTGRES, ABLAB_MLFLOW and ABLAB_STATE (what to put before
# a command that needs the databases, the artifacts, the state; empty: run it here) and ABLAB_VAR (their folder).
set -eu
cd "$(dirname "$0")/.."
folder=${1:-backups/$(date -u +%Y-%m-%dT%H%M%SZ)}
postgres=${ABLAB_POSTGRES-docker compose exec -T postgres}
mlflow=${ABLAB_MLFLOW-docker compose run --rm --no-deps -T mlflow}
state=${ABLAB_STATE-docker compose run --rm --no-deps -T scheduler}
var=${ABLAB_VAR:-/var/lib/ablab}

if [ -e "$folder" ]; then echo "error: $folder is there already; name another folder" >&2; exit 2; fi
part=$folder.unfinished
rm -rf "$part"
mkdir -p "$part"
chmod 700 "$part"  # password hashes of the accounts are in it
for database in mlflow mlflow_auth optuna; do
  $postgres pg_dump --username=ablab --format=custom --dbname="$database" > "$part/$database.dump"
done
$mlflow tar -C "$var" -cf - artifacts > "$part/artifacts.tar"
$state tar -C "$var" -cf - mlruns > "$part/mlruns.tar"
(cd "$part" && sha256sum -- *.dump *.tar > SHA256SUMS)
mv "$part" "$folder"
echo "$folder"
