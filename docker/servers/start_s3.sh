#!/bin/sh
# One process runs all parts of SeaweedFS. Only S3, which requires a key, listens beyond 127.0.0.1.
# No other server uses the volumes, so there is no delay at the stop (preStopSeconds). The process stops within 20 s of a SIGTERM.
set -eu
: "${AWS_ACCESS_KEY_ID:?is not set: without a key the server would accept everyone}"
: "${AWS_SECRET_ACCESS_KEY:?is not set: without a key the server would accept everyone}"
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -master.volumeSizeLimitMB=1024 \
    -volume.max=0 -volume.preStopSeconds=0 -s3 -s3.ip.bind=0.0.0.0 -s3.port=9000 -s3.port.iceberg=0 -s3.port.lance=0 "$@"
