# SPDX-License-Identifier: MIT
# A worker in a container, from the packages that ./dev packages leaves in build/packages/:
#     docker build -f apps/containers/taskq-worker.Dockerfile -t taskq-worker build/packages
#     docker run --read-only -e TASKQ_SERVER=https://jobs.example:7070 -v "$PWD/token:/etc/taskq/worker.token:ro" taskq-worker
# The token's file has to be readable by user 10001. Jobs of type file are off: TASKQ_FILE_ROOT=/var/lib/taskq, with a volume there, lets
# them work in it. Give further options as environment variables too.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY taskq-worker_*.deb /tmp/
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends ca-certificates /tmp/taskq-worker_*.deb \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/taskq \
    && chmod 0755 /etc/taskq \
    && rm -rf /tmp/*.deb /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
USER 10001:10001
WORKDIR /var/lib/taskq
ENV TASKQ_TOKEN_FILE=/etc/taskq/worker.token TASKQ_HEALTH_FILE=/dev/shm/taskq-worker
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["taskq-worker", "--health"]
ENTRYPOINT ["taskq-worker"]
