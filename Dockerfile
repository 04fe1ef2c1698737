# One image, many commands (see Procfile): web, worker, beat, relay, consumer, every manage.py command, the sandbox.
FROM python:3.12-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /srv/reckoner
COPY pyproject.toml requirements.lock ./
# What the product needs, without the tools of developers, at the versions and hashes of the lock.
RUN uv venv /srv/venv \
 && uv pip install --python /srv/venv/bin/python --require-hashes -r pyproject.toml --constraint requirements.lock

FROM python:3.12-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home reckoner
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=config.settings.prod
WORKDIR /srv/reckoner
COPY --from=build /srv/venv /srv/venv
COPY manage.py pyproject.toml ./
COPY config config
COPY gateways gateways
COPY ledger ledger
COPY payments payments
COPY settlements settlements
COPY templates templates
# Pages are collected with values that exist for this one command; nothing of them stays in the image.
RUN ENVIRONMENT=production PUBLIC_URL=https://build.invalid ALLOWED_HOSTS=build.invalid KAFKA_BROKERS=build.invalid:1 \
    DATABASE_URL=postgres://build.invalid/x REDIS_URL=redis://build.invalid/0 \
    SECRET_KEY="$(head -c 48 /dev/urandom | base64 -w0)" JWT_SECRET="$(head -c 48 /dev/urandom | base64 -w0)" \
    ENCRYPTION_KEYS="k1:$(head -c 32 /dev/urandom | base64 -w0)" \
    python manage.py collectstatic --no-input -v 0
ARG BUILD_ID=unknown
ENV BUILD_ID=$BUILD_ID
USER reckoner
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--respawn-failed-workers", "--workers-kill-timeout", "30", "config.wsgi:application"]
