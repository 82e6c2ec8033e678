#!/bin/sh
# What only this machine knows: passwords, keys, a certificate. Made at the first start of compose, each kept in the
# volume of those who need it (a folder of this one's root), readable by their user alone. What is there stays; what
# follows from it is written anew.
set -eu
umask 077
root=${1:-/secrets}

# owner folder: who reads what is in it.
folder() {
  mkdir -p "$root/$2"
  # Only root can give files away; everybody else reads their own.
  if [ "$(id -u)" = 0 ]; then chown -R "$1" "$root/$2"; fi
  chmod 0500 "$root/$2"
}

# file: a random password, unless it has one.
password() {
  [ -s "$root/$1" ] || openssl rand -hex 24 >"$root/$1"
}

for folder in postgres nats keycloak grafana gateway auth users portfolios accounts market; do
  mkdir -p "$root/$folder"
  chmod -R u+rwX "$root/$folder"
done

password postgres/password
password keycloak/admin-password
password grafana/admin-password

: >"$root/nats/passwords.conf"
for service in gateway auth users portfolios accounts market; do
  password "nats/$service"
  nats_password=$(cat "$root/nats/$service")
  name=$(echo "$service" | tr '[:lower:]' '[:upper:]')
  echo "${name}_PASSWORD: \"$nats_password\"" >>"$root/nats/passwords.conf"
  echo "nats://$service:$nats_password@nats:4222" >"$root/$service/nats-url"
done

for service in auth users portfolios accounts market; do
  password "postgres/$service"
  echo "postgres://$service:$(cat "$root/postgres/$service")@postgres:5432/butler" >"$root/$service/database-url"
done

keys=$root/accounts/credentials-keys
[ -s "$keys" ] || echo "development:$(openssl rand -base64 32)" >"$keys"

# For a year; a new one when less than a month is left.
certificate=$root/keycloak/certificate.pem
if ! openssl x509 -in "$certificate" -noout -checkend 2592000 >/dev/null 2>&1; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 \
    -subj "/CN=keycloak.localhost" -addext "subjectAltName=DNS:keycloak.localhost" \
    -keyout "$root/keycloak/private-key.pem" -out "$certificate" 2>/dev/null
fi
# Whoever trusts it, trusts Keycloak.
cp "$certificate" "$root/auth/keycloak-certificate.pem"

# The users of the images.
folder 999:999 postgres
folder 65534:65534 nats
folder 1000:0 keycloak
folder 472:0 grafana
for service in gateway auth users portfolios accounts market; do folder 10001:10001 "$service"; done
find "$root" -mindepth 2 -type f -exec chmod 0400 {} +
