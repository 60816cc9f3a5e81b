#!/bin/sh
# Usage: backup.sh FOLDER DAYS. Dump both databases into FOLDER, each completely or not at all, then delete dumps older than DAYS days.
# A failure deletes no dump. A part that a killed job left is deleted after a day.
set -eu
folder=${1:?is missing: give FOLDER and DAYS} days=${2:?is missing: give FOLDER and DAYS}
find "$folder" -maxdepth 1 -name '.*.part' -mtime +0 -print -delete
stamp=$(date -u +%Y%m%dT%H%M%SZ)
for database in mlflow mlflow_auth; do
    part="$folder/.$database-$stamp.part"
    trap 'rm -f "$part"' EXIT
    pg_dump --format=custom --file="$part" "$database"
    pg_restore --list "$part" >/dev/null # refuse a dump that cannot be read
    mv "$part" "$folder/$database-$stamp.dump"
    echo "$folder/$database-$stamp.dump"
done
find "$folder" -maxdepth 1 -name '*.dump' -mtime "+$days" -print -delete
