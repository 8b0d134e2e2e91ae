# style-clone in one image: engine, gateway and page are three commands of it. How to run it: serve/README.md.
#
#   docker build --target cpu -t style-clone:cpu .        docker build --target cuda -t style-clone:cuda .
#
# Packages come from pip's own configuration. A private index goes in as a secret, which no layer keeps:
#   --secret id=pip,src=$HOME/.config/pip/pip.conf

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
# g++: PyTorch and Triton compile what they run when the engine starts. libnuma1: vLLM's CPU build is linked to it.
# tcmalloc: vLLM is faster with it on a CPU. Debian keeps no older versions to pin.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ libnuma1 libtcmalloc-minimal4 \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 style-clone \
  && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /data --no-create-home style-clone \
  && install --directory --mode 0700 --owner 10001 --group 10001 /data
WORKDIR /opt/style-clone

# What packages are made from, and no more: a change of the program's code installs nothing anew.
FROM base AS pins
COPY LICENSE README.md pyproject.toml ./
COPY requirements/ requirements/
COPY scripts/setup.sh scripts/
COPY style_clone/__init__.py style_clone/

FROM pins AS cpu-packages
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
  PIP_CACHE_DIR=/var/cache/pip STYLE_CLONE_DEVICE=cpu scripts/setup.sh

FROM pins AS cuda-packages
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
  PIP_CACHE_DIR=/var/cache/pip STYLE_CLONE_DEVICE=cuda scripts/setup.sh

FROM base AS runtime
ENV PATH=/opt/style-clone/.venv/bin:$PATH \
  PYTHONUNBUFFERED=1 \
  HOME=/data \
  STYLE_CLONE_HOME=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# The endpoint answers once its engine is ready, which at the first start includes fetching the base model.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
  CMD ["python", "serve/healthy.py", "8000"]
ENTRYPOINT ["style-clone"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

FROM runtime AS cuda
# What the NVIDIA container runtime gives the container: the driver's libraries, and nvidia-smi to see that it has.
ENV NVIDIA_VISIBLE_DEVICES=all \
  NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /opt/style-clone/ ./
COPY serve/healthy.py serve/smoke.py serve/
COPY style_clone/ style_clone/

FROM runtime AS cpu
COPY --from=cpu-packages /opt/style-clone/ ./
COPY serve/healthy.py serve/smoke.py serve/
COPY style_clone/ style_clone/
