# The MLflow server for docker/compose.yaml and for a cluster: databases on Postgres, artifacts in S3, users with passwords.
#
#   docker build -f docker/mlflow.Dockerfile -t ablate-mlflow:3.17.2 .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

ARG UV_VERSION=0.13.9
ENV PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true \
    MLFLOW_AUTH_CONFIG_PATH=/opt/mlflow/basic_auth.ini

WORKDIR /opt/mlflow
COPY requirements.txt .
# mlflow and boto3 have the pinned versions of the client. psycopg connects to Postgres; Flask-WTF protects the login forms.
RUN pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION} \
    && uv pip install --system --no-cache --compile-bytecode --constraint requirements.txt \
        mlflow boto3 'psycopg[binary]==3.3.9' Flask-WTF==1.3.0 \
    && useradd --create-home --uid 10001 mlflow
COPY docker/servers/basic_auth.ini docker/servers/start_mlflow.py ./

USER 10001
EXPOSE 5000
CMD ["python3", "/opt/mlflow/start_mlflow.py"]
