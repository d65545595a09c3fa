# Images of compose.yaml. Not built in CI: see there.
FROM python:3.11-slim-bookworm AS dropline
WORKDIR /opt/dropline
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE scrapy.cfg ./
COPY docs docs
COPY config config
COPY crawler crawler
COPY extract extract
COPY index index
COPY monitor monitor
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 10001 dropline \
    && install -d -o dropline -g dropline -m 0700 /data
USER dropline
ENV DROPLINE_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["dropline"]
CMD ["--help"]

FROM debian:bookworm-slim AS tor
RUN apt-get update \
    && apt-get install -y --no-install-recommends tor \
    && rm -rf /var/lib/apt/lists/*
# OnionTrafficOnly is the second gate: whatever Dropline would ask for, this proxy connects to onion services alone.
RUN printf '%s\n' \
    'SocksPort 0.0.0.0:9050 IsolateSOCKSAuth OnionTrafficOnly' \
    'SocksPolicy accept 172.16.0.0/12' 'SocksPolicy accept 192.168.0.0/16' 'SocksPolicy accept 10.0.0.0/8' \
    'SocksPolicy reject *' \
    'DataDirectory /var/lib/tor' 'Log notice stdout' > /etc/tor/torrc
USER debian-tor
VOLUME /var/lib/tor
CMD ["tor", "-f", "/etc/tor/torrc"]
