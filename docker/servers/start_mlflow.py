"""Creates the two databases and the bucket of MLflow if needed, then replaces this process by the MLflow server.

The settings come from the environment: PGHOST, PGUSER and PGPASSWORD for Postgres, MLFLOW_S3_ENDPOINT_URL and the AWS_
variables for S3, MLFLOW_AUTH_ADMIN_USERNAME and _PASSWORD for the administrator. A mistake in them is one sentence on stderr
and exit code 2. No argument and no file contains a password.
"""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql

REQUIRED = (
    "PGHOST",
    "PGUSER",
    "PGPASSWORD",
    "MLFLOW_ARTIFACTS_DESTINATION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_AUTH_ADMIN_USERNAME",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
)
DATABASES = ("mlflow", "mlflow_auth")  # basic_auth.ini names the second
BACKEND = "postgresql:///mlflow"


def refuse(sentence: str) -> None:
    """Print the sentence on stderr and exit with code 2."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def make_databases() -> None:
    """Create the databases that do not exist. MLflow creates their tables."""
    with psycopg.connect(dbname="postgres", connect_timeout=10, autocommit=True) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in DATABASES:
            if name not in there:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def make_bucket(name: str) -> None:
    """Create the bucket if needed. A wrong key fails here, not at the first upload."""
    client = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=name)


def main() -> None:
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        refuse(f"the MLflow server needs {', '.join(missing)} in its environment; see docker/.env.example")
    destination = os.environ["MLFLOW_ARTIFACTS_DESTINATION"]
    try:
        make_databases()
        make_bucket(urlsplit(destination).netloc)
    except psycopg.OperationalError as error:
        why = str(error).strip().splitlines()[-1]
        refuse(f"Postgres on {os.environ['PGHOST']} refuses {os.environ['PGUSER']}: {why}; check PGPASSWORD")
    except (BotoCoreError, ClientError) as error:
        refuse(f"S3 refuses access to {destination}: {error}; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    subprocess.run(["mlflow", "db", "upgrade", BACKEND], check=True)
    server = ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--app-name", "basic-auth"]
    os.execvp("mlflow", [*server, "--backend-store-uri", BACKEND, "--artifacts-destination", destination])


if __name__ == "__main__":
    main()
