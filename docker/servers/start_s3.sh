#!/bin/sh
# One process with all of SeaweedFS in it; everything but S3 itself, which asks for a key, is heard on 127.0.0.1 only.
# Nobody else need be told that its volumes go (preStopSeconds); it stops within 20 s of a SIGTERM.
set -eu
: "${AWS_ACCESS_KEY_ID:?is not set: without a key the server would let everybody in}"
: "${AWS_SECRET_ACCESS_KEY:?is not set: without a key the server would let everybody in}"
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -master.volumeSizeLimitMB=1024 \
    -volume.max=0 -volume.preStopSeconds=0 -s3 -s3.ip.bind=0.0.0.0 -s3.port=9000 -s3.port.iceberg=0 -s3.port.lance=0 "$@"
