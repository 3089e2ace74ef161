# SPDX-License-Identifier: MIT
# The server in a container, from the packages that ./dev packages leaves in build/packages/:
#     docker build -f apps/containers/taskq-server.Dockerfile -t taskq-server build/packages
#     docker run --read-only -p 7070:7070 -v jobs:/var/lib/taskq -v "$PWD/tokens:/etc/taskq/tokens:ro" taskq-server
# The tokens' file (taskq token create --tokens tokens ...) has to be 0600 and of user 10001. Give further options as environment variables,
# --tls-cert as TASKQ_TLS_CERT: the health check sees those too.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY taskq-server_*.deb /tmp/
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends /tmp/taskq-server_*.deb \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/taskq \
    && chmod 0755 /etc/taskq \
    && rm -rf /tmp/*.deb /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
USER 10001:10001
WORKDIR /var/lib/taskq
VOLUME /var/lib/taskq
ENV TASKQ_LISTEN=0.0.0.0:7070 TASKQ_DB=/var/lib/taskq/taskq.db TASKQ_TOKENS=/etc/taskq/tokens
EXPOSE 7070
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["taskq-server", "--health"]
ENTRYPOINT ["taskq-server"]
