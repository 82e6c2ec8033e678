#!/usr/bin/env bash
# What somebody would try first, against the system that `docker compose up --wait` has started.
set -euo pipefail
cd "$(dirname "$0")/../.."

realm=https://keycloak.localhost:8443/realms/butler
api=http://localhost:${GATEWAY_PORT:-3000}
call=(curl --silent --show-error --fail --max-time 20)

echo "== the image"
docker run --rm --network=none --read-only --cap-drop=ALL crypto-pocket-butler:development --help >/dev/null
bytes=$(docker image save crypto-pocket-butler:development | wc --bytes)
echo "$bytes bytes"
[ "$bytes" -lt 250000000 ]

echo "== a token of alice's, and a portfolio of hers"
certificate=$(mktemp)
trap 'rm -f "$certificate"' EXIT
docker compose exec --no-TTY auth node --print 'fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, "utf8")' >"$certificate"
token=$("${call[@]}" --cacert "$certificate" "$realm/protocol/openid-connect/token" \
  --data grant_type=password --data client_id=development --data username=alice --data password=alice |
  sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
"${call[@]}" --header "Authorization: Bearer $token" --json '{"name":"Savings"}' "$api/v1/portfolios" >/dev/null
"${call[@]}" --header "Authorization: Bearer $token" "$api/v1/portfolios" | grep --quiet Savings

echo "== four replicas of portfolios, each scraped"
query='sum(up%7Bservice%3D%22portfolios%22%7D)'
for attempt in $(seq 30); do
  up=$(docker compose exec --no-TTY prometheus wget -q -O - "http://127.0.0.1:9090/api/v1/query?query=$query")
  if echo "$up" | grep --quiet '"4"'; then break; fi
  if [ "$attempt" = 30 ]; then echo "Not all are scraped: $up" && exit 1; fi
  sleep 2
done

echo "== the alerts"
docker compose exec --no-TTY prometheus wget -q -O - http://127.0.0.1:9090/api/v1/rules | grep --quiet AvailabilityBurnsFast

echo "== Grafana, with the dashboards"
grafana=http://localhost:${GRAFANA_PORT:-3001}
"${call[@]}" "$grafana/api/health" >/dev/null
for dashboard in butler-requests butler-system; do
  "${call[@]}" "$grafana/api/dashboards/uid/$dashboard" >/dev/null
done
echo "It works."
