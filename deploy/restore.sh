#!/bin/sh
# Puts a folder of deploy/backup.sh back: replaces the databases, lays the files over what is there.
#
#   deploy/restore.sh FOLDER
#
# Checks the folder before it touches anything; stop the services that write first (make restore does). Without
# Docker: see backup.sh.
set -eu
cd "$(dirname "$0")/.."
folder=${1:?usage: deploy/restore.sh FOLDER}
postgres=${ABLAB_POSTGRES-docker compose exec -T postgres}
mlflow=${ABLAB_MLFLOW-docker compose run --rm --no-deps -T mlflow}
state=${ABLAB_STATE-docker compose run --rm --no-deps -T scheduler}
var=${ABLAB_VAR:-/var/lib/ablab}

for file in mlflow.dump mlflow_auth.dump optuna.dump artifacts.tar mlruns.tar; do
  if ! grep -q "  $file\$" "$folder/SHA256SUMS" 2>/dev/null; then
    echo "error: $folder is no complete backup: $file is not in its SHA256SUMS; nothing was changed" >&2; exit 2
  fi
done
if ! (cd "$folder" && sha256sum --check --quiet SHA256SUMS) >&2; then
  echo "error: $folder is damaged; nothing was changed" >&2; exit 2
fi
for database in mlflow mlflow_auth optuna; do
  $postgres dropdb --username=ablab --maintenance-db=postgres --if-exists --force "$database"
  $postgres createdb --username=ablab --maintenance-db=postgres "$database"
  $postgres pg_restore --username=ablab --exit-on-error --no-owner --dbname="$database" < "$folder/$database.dump"
done
$mlflow tar -C "$var" -xf - < "$folder/artifacts.tar"
$state tar -C "$var" -xf - < "$folder/mlruns.tar"
echo "restored $folder"
