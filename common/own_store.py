"""The settings of our own S3 store, which has the corpora: the variables ABLATE_S3_* of the environment.

They are not the variables AWS_* because Kubeflow's launcher reads those in every pod, and would then look for Kubeflow's own
artifacts in our store.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import UserError

ENDPOINT = "ABLATE_S3_ENDPOINT"
ACCESS_KEY = "ABLATE_S3_ACCESS_KEY_ID"
SECRET_KEY = "ABLATE_S3_SECRET_ACCESS_KEY"
TOKEN = "ABLATE_S3_SESSION_TOKEN"
REGION = "ABLATE_S3_REGION"
VARIABLES = (ENDPOINT, ACCESS_KEY, SECRET_KEY, TOKEN, REGION)
# Each setting -> the variables in which boto3, and MLflow's own uploads to S3, look for it.
USUAL = {
    ENDPOINT: ("AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL"),
    ACCESS_KEY: ("AWS_ACCESS_KEY_ID",),
    SECRET_KEY: ("AWS_SECRET_ACCESS_KEY",),
    TOKEN: ("AWS_SESSION_TOKEN",),
    REGION: ("AWS_DEFAULT_REGION", "AWS_REGION"),
}


@dataclass(frozen=True)
class OwnStore:
    """The settings that are set, by variable. boto3 looks for each of the others in its usual chain (AWS_*, profile, role)."""

    settings: Mapping[str, str]

    @classmethod
    def read(cls) -> "OwnStore":
        """Read the environment. An empty variable is not set. Raises UserError for one key without the other."""
        found = {name: text for name in VARIABLES if (text := os.environ.get(name, "").strip())}
        keys = [name for name in (ACCESS_KEY, SECRET_KEY) if name in found]
        if len(keys) == 1 or (TOKEN in found and not keys):
            given, absent = next(name for name in (*keys, TOKEN)), {ACCESS_KEY, SECRET_KEY} - set(keys)
            raise UserError(
                f"the keys of a store in S3 are set together; {given} is set without {' and '.join(sorted(absent))}: "
                "set them too, or unset it"
            )
        return cls(found)

    @property
    def has_keys(self) -> bool:
        """True if the credentials come from here and not from boto3's chain."""
        return ACCESS_KEY in self.settings

    def name_of(self, variable: str) -> str:
        """Return the variable to correct: the given one of VARIABLES if it is set, else the one that boto3 reads."""
        return variable if variable in self.settings else USUAL[variable][0]

    def for_client(self) -> dict[str, str]:
        """Return the arguments of boto3's `client`."""
        names = {
            ENDPOINT: "endpoint_url",
            ACCESS_KEY: "aws_access_key_id",
            SECRET_KEY: "aws_secret_access_key",
            TOKEN: "aws_session_token",
            REGION: "region_name",
        }
        return {names[name]: text for name, text in self.settings.items()}


def use_own_store() -> None:
    """Let the programs of this process and of its workers use our store, too: set AWS_* and MLFLOW_S3_ENDPOINT_URL.

    MLflow needs them where it reads and writes artifacts in S3 directly. The launcher of Kubeflow is another process, so it does
    not see them. An MLFLOW_S3_ENDPOINT_URL that is set stays. Raises UserError.
    """
    own = OwnStore.read()
    if own.has_keys:
        os.environ.pop(USUAL[TOKEN][0], None)  # it belongs to other keys
    for name, text in own.settings.items():
        for usual in USUAL[name]:
            if usual.startswith("AWS_") or not os.environ.get(usual):
                os.environ[usual] = text
