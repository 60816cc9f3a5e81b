# The image for corpora of real video: the image of the service with the additional environment that finds mouths.
#
#   docker build -f docker/preprocess.Dockerfile --build-arg SERVICE=registry/ablate-python:REV -t registry/ablate-python-mouth:REV .
ARG SERVICE
FROM ${SERVICE}

USER root
COPY requirements-mouth.txt /opt/ablate/
RUN uv venv --quiet --python "$(command -v python)" /opt/mouth \
    && uv pip install --no-cache --no-deps --compile-bytecode --python /opt/mouth/bin/python -r /opt/ablate/requirements-mouth.txt
ENV ABLATE_MOUTH_PYTHON=/opt/mouth/bin/python
USER 10001
