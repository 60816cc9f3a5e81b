# Postgres from Debian. User, password and data folder are set as for the official image `postgres`, which can replace this one.
#
#   docker build -f docker/postgres.Dockerfile -t ablate-postgres:15 .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# The user id is that of the official image `postgres`, so that each image can open a volume of the other.
RUN groupadd --system --gid 999 postgres \
    && useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql postgres \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15 \
    && install --directory --owner=postgres --group=postgres --mode=700 /var/lib/postgresql/data \
    && install --directory --owner=postgres --group=postgres /var/run/postgresql
ENV PATH=/usr/lib/postgresql/15/bin:$PATH \
    PGDATA=/var/lib/postgresql/data
COPY docker/servers/start_postgres.sh /usr/local/bin/start-postgres

USER 999
EXPOSE 5432
STOPSIGNAL SIGINT
CMD ["sh", "/usr/local/bin/start-postgres"]
