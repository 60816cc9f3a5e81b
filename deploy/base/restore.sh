#!/bin/sh
# Usage: restore.sh FOLDER STAMP. Put both databases back as the dumps of that time have them, each completely or not at all. Nothing of
# the present tables stays: a later MLflow may have made some that an earlier one does not know. MLflow must be stopped.
set -eu
folder=${1:?is missing: give FOLDER and STAMP} stamp=${2:?is missing: give FOLDER and STAMP}
for database in mlflow mlflow_auth; do
    if ! pg_restore --list "$folder/$database-$stamp.dump" >/dev/null; then
        echo "nothing was changed. Dumps in $folder:"
        ls "$folder"
        exit 1
    fi
done
for database in mlflow mlflow_auth; do
    dump="$folder/$database-$stamp.dump"
    said=$({
        echo "BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL client_min_messages = warning;"
        echo 'DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;'
        pg_restore --file=- "$dump" && echo "COMMIT; SELECT 'restored';"
    } | psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="$database" | tail -n 1)
    if [ "$said" != restored ]; then
        echo "$database is as before: $dump could not be restored; stop MLflow if it still runs"
        exit 1
    fi
    echo "$database is as in $dump"
done
