-- A login role for each service, owner of the service's own schemas and a stranger in all others. Run by a superuser in
-- the services' database, at every start; the passwords lie on the server, readable by it alone.
do $$
declare
  service text;
  schema_name text;
begin
  execute format('revoke all on database %I, postgres, template1 from public', current_database());
  revoke all on schema public from public;
  foreach service in array array['auth', 'users', 'portfolios', 'accounts', 'market'] loop
    if not exists (select from pg_roles where rolname = service) then
      execute format('create role %I', service);
    end if;
    execute format(
      'alter role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password %L',
      service,
      rtrim(pg_read_file('/run/secrets/' || service), E'\n')
    );
    execute format('alter role %I set search_path = %I', service, service);
    execute format('grant connect on database %I to %I', current_database(), service);
    -- Its jobs are in a schema beside its own.
    foreach schema_name in array array[service, service || '_jobs'] loop
      execute format('create schema if not exists %I', schema_name);
      execute format('alter schema %I owner to %I', schema_name, service);
      execute format('revoke all on schema %I from public', schema_name);
    end loop;
  end loop;
end
$$;
