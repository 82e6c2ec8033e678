-- A service's role, once per service, as a superuser, in the database that all of them share:
--   psql "$ADMIN_URL" --set=service=auth --set=password="$PASSWORD" --file=k8s/postgresql/role.sql
-- It makes its own schemas, with its migrations, and reaches no other service's.
revoke all on database :"DBNAME" from public;
create role :"service" login password :'password';
grant connect, create on database :"DBNAME" to :"service";

-- What the services say when they connect. PgBouncer does not pass it on, so it has to be here too.
alter role :"service" set statement_timeout = '15s';
alter role :"service" set idle_in_transaction_session_timeout = '15s';
alter role :"service" set timezone = 'UTC';
alter role :"service" set client_connection_check_interval = '1s';
alter role :"service" set tcp_keepalives_idle = 10;
alter role :"service" set tcp_keepalives_interval = 5;
alter role :"service" set tcp_keepalives_count = 3;
