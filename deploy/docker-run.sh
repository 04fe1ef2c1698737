#!/bin/sh
# Build and start everything of compose.yaml. The first run makes .env.docker with random secrets; keep that file.
set -eu
cd "$(dirname "$0")/.."

random() { head -c 36 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }
if [ ! -f .env.docker ]; then
  (
    umask 077
    cat >.env.docker <<EOF
DJANGO_SETTINGS_MODULE=config.settings.dev
ENVIRONMENT=development
SECRET_KEY=$(random)
JWT_SECRET=$(random)
ENCRYPTION_KEYS=k1:$(head -c 32 /dev/urandom | base64 | tr -d '\n')
PARTNER_CODE_MOMO=MOMODEMO
ACCESS_KEY_MOMO=$(random)
SECRET_KEY_MOMO=$(random)
VNPAY_TMN_CODE=DEMOSHOP
VNPAY_HASH_SECRET=$(random)
ZALOPAY_APP_ID=990002
ZALOPAY_KEY1=$(random)
ZALOPAY_KEY2=$(random)
FIUU_MERCHANT_ID=SB_demo
FIUU_VERIFY_KEY=$(random)
FIUU_SECRET_KEY=$(random)
STRIPE_SECRET_KEY=sk_test_sandbox_$(random)
STRIPE_PUBLISHABLE_KEY=pk_test_sandbox_$(random)
STRIPE_WEBHOOK_SECRET=whsec_sandbox_$(random)
XENDIT_SECRET_KEY=xnd_development_$(random)
XENDIT_WEBHOOK_TOKEN=$(random)
POSTGRES_PASSWORD=$(random)
PUBLIC_URL=http://127.0.0.1:8000
EOF
  )
  echo "Made .env.docker with secrets of its own."
fi
[ "${1:-}" = --only-env ] && exit 0

docker network inspect e-commerce-network >/dev/null 2>&1 || docker network create e-commerce-network
exec docker compose --env-file .env.docker up --build --detach --wait
