# Ordo in a container: `docker compose up` runs it as compose.yaml says; docs/install.md tells the rest.
# Without an index: wheels of everything (hatchling too) in ./wheels, and --build-arg PIP_NO_INDEX=1.

FROM python:3.11-slim-bookworm AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
COPY . /src
RUN python3 -m venv /tools \
    && /tools/bin/python -m pip wheel --quiet --no-cache-dir --find-links /src/wheels --wheel-dir /wheels /src \
    && python3 -m venv --without-pip /opt/ordod \
    && /tools/bin/python -m pip --python /opt/ordod/bin/python install --quiet --no-cache-dir \
        --no-index --find-links /wheels ordod \
    && /opt/ordod/bin/ordod check --config /opt/ordod/share/ordod/ordod.conf.example

FROM python:3.11-slim-bookworm
# Fixed numbers, for volumes outlive images, and bots in other containers join the group: docker run --group-add 10001.
RUN groupadd --gid 10001 ordo \
    && useradd --uid 10001 --gid ordo --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ordod \
    && install -d -o ordod -g ordo -m 0700 /var/lib/ordod \
    && install -d -o ordod -g ordo -m 0750 /run/ordod /etc/ordod
COPY --from=build /opt/ordod /opt/ordod
COPY --chown=ordod:ordo --chmod=0600 ordod.conf.example /etc/ordod/ordod.conf
ENV PATH=/opt/ordod/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    STATE_DIRECTORY=/var/lib/ordod \
    RUNTIME_DIRECTORY=/run/ordod \
    ORDOD_SOCKET=/run/ordod/ordod.sock
USER 10001:10001
WORKDIR /var/lib/ordod
# Declared, so that state is never kept in a layer: that is an overlay, where real brokers are refused.
VOLUME ["/var/lib/ordod", "/run/ordod"]
# The drain: requests under way are answered first. What stops a container must leave it 20 s (compose.yaml: stop_grace_period).
STOPSIGNAL SIGTERM
# 200 where the daemon works; 503 where its disk has failed.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["/opt/ordod/bin/python", "-I", "-c", "import socket; c = socket.socket(socket.AF_UNIX); c.settimeout(4); c.connect('/run/ordod/ordod.sock'); c.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'); raise SystemExit(not c.recv(64).startswith(b'HTTP/1.1 200'))"]
# No shell and no init between: the daemon is process 1, takes every signal itself and starts no other process.
ENTRYPOINT ["/opt/ordod/bin/ordod"]
CMD ["--config", "/etc/ordod/ordod.conf"]
