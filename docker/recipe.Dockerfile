# The image of a study of your own model: the image of the service, with recipe files and the code that they run. docs/recipes.md.
#
#   docker build -f docker/recipe.Dockerfile --build-arg BASE=registry/ablate-python:REV -t registry/my-model:REV my-recipes
#
# `my-recipes` is a folder with NAME.yaml, the scripts that it names, and a requirements.txt if they need packages. A plan says
# `recipe: NAME`. Recipes are read from this folder of the image, never from the text or the address of a plan.
ARG BASE
FROM ${BASE}

USER root
COPY . /opt/recipes
RUN if [ -f /opt/recipes/requirements.txt ]; then uv pip install --system --no-cache -r /opt/recipes/requirements.txt; fi
ENV ABLATE_RECIPES_FOLDER=/opt/recipes
USER 10001
